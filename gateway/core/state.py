"""The state of one upstream as it stands: what admin and metrics show.

Frozen records made when somebody asks, never on the way of a call.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointState:
    """One endpoint.

    Args:
        address: "HOST:PORT".
        state: "healthy", "ejected", "unhealthy" or "unreachable".
        in_flight: attempts under way.
        latency_s: what attempts took lately; None before the first.
    """

    address: str
    state: str
    in_flight: int
    latency_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerState:
    """One circuit breaker.

    Args:
        name: whose it is.
        key: its key, "" where it has none.
        state: "closed", "open", "half_open", "forced_open" or "monitor_only".
        open_for_s: until it lets a probe through; 0 unless it is open.
        calls: in its window.
        failures: among them.
        consecutive_failures: since the last success.
    """

    name: str
    key: str
    state: str
    open_for_s: float
    calls: int
    failures: int
    consecutive_failures: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ConcurrencyState:
    """Attempts under way and waiting, and how many may be under way."""

    limit: int
    in_flight: int
    queued: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PacingState:
    """Requests a second, as declared or as answers of 429 taught."""

    requests_per_s: float
    queued: int
    learned: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamState:
    """One upstream. What is off is None, or empty."""

    name: str
    reachable: bool
    endpoints: Sequence[EndpointState] = ()
    breakers: Sequence[BreakerState] = ()
    concurrency: ConcurrencyState | None = None
    retry_budget: float | None = None
    pacing: PacingState | None = None
