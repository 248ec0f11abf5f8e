"""What the endpoints of one upstream are told: frozen records made from its policy."""

import enum
from dataclasses import dataclass, field

from gateway.downstream.credentials.own import OwnCredential
from gateway.downstream.options import ClientOptions


class Discovery(enum.Enum):
    """How host names become endpoints; seawall.policy.v1.DiscoveryPolicy.Mode."""

    LOGICAL = "logical"
    """A name is one endpoint; its addresses are tried in turn (RFC 8305)."""
    ADDRESSES = "addresses"
    """Every address of a name is an endpoint."""


class Balancing(enum.Enum):
    """What is compared; seawall.policy.v1.LoadBalancingPolicy.Policy."""

    LEAST_REQUEST = "least_request"
    """Attempts under way."""
    PEAK_EWMA = "peak_ewma"
    """Attempts under way, weighed by what they took lately."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlierOptions:
    """Who is ejected, and for how long; see seawall.policy.v1.OutlierPolicy.

    Args:
        consecutive_failures: in a row; 0 is never.
        failure_rate: share of an interval's attempts; 0 is never.
        minimum_calls: attempts in an interval before its rate says anything.
        minimum_endpoints: that there must be before any is ejected.
        interval_s: how often rates are looked at.
        base_ejection_s: the first ejection; the n-th lasts n times as long.
        max_ejection_s: no ejection lasts longer.
        max_ejected_share: of the endpoints, at once.
    """

    consecutive_failures: int = 5
    failure_rate: float = 0.5
    minimum_calls: int = 10
    minimum_endpoints: int = 2
    interval_s: float = 1.0
    base_ejection_s: float = 1.0
    max_ejection_s: float = 30.0
    max_ejected_share: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthOptions:
    """Questions by HTTP; see seawall.policy.v1.HealthCheckPolicy.

    Args:
        path: of the server, whatever path the upstream's URL has; 200 to 299 is well.
        interval_s: between two questions, by a tenth more or less.
        timeout_s: for one question.
        unhealthy_threshold: bad answers in a row that make an endpoint unwell.
        healthy_threshold: good answers in a row that make it well.
        credential: what questions are sent with, on nobody's behalf; None sends none.
    """

    path: str
    interval_s: float = 5.0
    timeout_s: float = 1.0
    unhealthy_threshold: int = 3
    healthy_threshold: int = 1
    credential: OwnCredential | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachabilityOptions:
    """When connecting is left to a probe; see seawall.policy.v1.ReachabilityPolicy.

    Args:
        consecutive_failures: connections that fail in a row.
        probe_interval_s: between two tries to connect, by a tenth more or less.
        probe_timeout_s: for one try, TLS included.
    """

    consecutive_failures: int = 2
    probe_interval_s: float = 0.2
    probe_timeout_s: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointOptions:
    """The endpoints of one upstream, and how they are treated.

    Args:
        client: connections to each of them; its `address` is not read.
        addresses: host and port each; the URL's where there is none.
        mode: how host names become endpoints.
        refresh_interval_s: how often names are asked for again, by a tenth more or less.
        balancing: what is compared between two of them.
        panic_threshold: with a smaller share of well endpoints all are used, but for those
            that cannot be connected to. 0 never uses one that is not well.
        outlier: who is ejected; None is nobody.
        health: questions by HTTP; None asks nothing.
        reachability: when connecting is left to a probe; None leaves it to calls.
    """

    client: ClientOptions
    addresses: tuple[tuple[str, int], ...] = ()
    mode: Discovery = Discovery.LOGICAL
    refresh_interval_s: float = 10.0
    balancing: Balancing = Balancing.PEAK_EWMA
    panic_threshold: float = 0.5
    outlier: OutlierOptions | None = field(default_factory=OutlierOptions)
    health: HealthOptions | None = None
    reachability: ReachabilityOptions | None = field(default_factory=ReachabilityOptions)
