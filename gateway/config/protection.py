"""From policies to the options of what protects an upstream and its callers.

One function a mechanism: the merged message in, its frozen options out, None where it is
off. What a policy says of fields of the request is compiled here too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor
from seawall.policy.v1.policy_pb2 import (
    BreakerPolicy,
    DiscoveryPolicy,
    LoadBalancingPolicy,
    MethodPolicy,
    SerializePolicy,
    UpstreamPolicy,
)

from gateway.config.merge import Origins
from gateway.config.upstream_credentials import credential_options
from gateway.config.url import parse_endpoint
from gateway.config.values import Mistake, seconds
from gateway.core.call import Call
from gateway.downstream.credentials import CredentialOptions
from gateway.downstream.endpoints import (
    Balancing,
    Discovery,
    EndpointOptions,
    HealthOptions,
    OutlierOptions,
    ReachabilityOptions,
)
from gateway.downstream.options import ClientOptions
from gateway.interceptors.breaker import BreakerOptions, Mode
from gateway.interceptors.concurrency import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.pacing.pacer import PacingOptions
from gateway.interceptors.retry import HedgeOptions, RetryBudgetOptions
from gateway.interceptors.serialize import SerializeOptions

KeyOf = Callable[[Call], str]

_LEVELS = ("built-in", "defaults", "upstream", "service", "method")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredBreaker:
    """A breaker that methods have beside their upstream's.

    Args:
        name: of the instance: methods with the same name share it.
        options: its rules.
        key_of: the key of a call, None where all calls share one circuit.
        key_name: what `key_of` reads, a metadata key or a field; "" without one.
    """

    name: str
    options: BreakerOptions
    key_of: KeyOf | None = None
    key_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamOptions:
    """What an upstream's methods share; None for what is off."""

    endpoints: EndpointOptions
    breaker: BreakerOptions | None
    budget: RetryBudgetOptions | None
    bulkhead: BulkheadOptions | None
    adaptive: AdaptiveOptions | None
    pacing: PacingOptions | None
    credentials: CredentialOptions = field(default_factory=CredentialOptions)


def upstream_options(policy: UpstreamPolicy, client: ClientOptions) -> UpstreamOptions:
    """Return the options of everything that the methods of an upstream share.

    Args:
        policy: merged.
        client: of its connections.
    """
    return UpstreamOptions(
        endpoints=_endpoint_options(policy, client),
        breaker=breaker_options(policy.breaker),
        budget=_budget_options(policy),
        bulkhead=_bulkhead_options(policy),
        adaptive=_adaptive_options(policy),
        pacing=_pacing_options(policy),
        credentials=credential_options(policy),
    )


def breaker_options(policy: BreakerPolicy) -> BreakerOptions | None:
    """Return the rules of a breaker, None where it is off."""
    if policy.disabled:
        return None
    return BreakerOptions(
        consecutive_failures=policy.consecutive_failures,
        failure_rate=policy.failure_rate,
        slow_call_rate=policy.slow_call_rate,
        slow_call_duration_s=seconds(policy.slow_call_duration),
        minimum_calls=policy.minimum_calls,
        window_s=seconds(policy.window),
        window_calls=policy.window_calls,
        failure_http_statuses=frozenset(policy.failure_http_statuses),
        open_time_s=seconds(policy.open_time),
        open_time_multiplier=policy.open_time_multiplier,
        max_open_time_s=max(seconds(policy.max_open_time), seconds(policy.open_time)),
        open_time_jitter=policy.open_time_jitter,
        probes=policy.probes,
        successes_to_close=policy.successes_to_close,
        probe_timeout_s=seconds(policy.probe_timeout),
        mode=Mode[BreakerPolicy.Mode.Name(policy.mode or BreakerPolicy.AUTOMATIC)],
        max_keys=policy.max_keys,
    )


def declared_breaker(
    policy: MethodPolicy, origins: Origins, method: str, upstream: str
) -> DeclaredBreaker | None:
    """Return the breaker that a method's own policy declares, None where it does not.

    Args:
        policy: merged.
        origins: of its values; the most specific level that speaks of the breaker names
            the instance.
        method: "panel.v1.OrderService/GetOrder".
        upstream: who answers it.
    """
    options = breaker_options(policy.breaker)
    if options is None:
        return None
    said = {at.partition(" ")[0] for path, at in origins.items() if path.startswith("breaker.")}
    level = max(said & set(_LEVELS), key=_LEVELS.index, default="method")
    names = {"method": method, "service": method.partition("/")[0]}
    key_of: KeyOf | None = None
    if policy.breaker.key_metadata:
        key_of = metadata_key(policy.breaker.key_metadata)
    elif policy.breaker.key_field:
        key_of = field_key(policy.breaker.key_field)
    return DeclaredBreaker(
        name=names.get(level, f"{upstream}.methods"),
        options=options,
        key_of=key_of,
        key_name=policy.breaker.key_metadata or policy.breaker.key_field,
    )


def metadata_key(name: str) -> KeyOf:
    """Return what reads a metadata key of the caller; "" where it has none."""
    wanted = name.lower()

    def key_of(call: Call) -> str:
        for key, value in call.metadata:
            if key == wanted:
                return value if isinstance(value, str) else value.hex()
        return ""

    return key_of


def key_mistakes(policy: MethodPolicy, request: Descriptor) -> Iterator[Mistake]:
    """Yield which fields that a policy has keys in cannot be keys."""
    for path, said in (
        ("breaker.key_field", policy.breaker.key_field),
        ("serialize.field", policy.serialize.field),
    ):
        if said and (wrong := field_mistake(request, said)):
            yield path, wrong


def field_mistake(request: Descriptor, path: str) -> str:
    """Return why a field cannot be a key, "" where it can."""
    message: Descriptor | None = request
    field = None
    for name in path.split("."):
        if message is None:
            return f"{path!r}: the field before {name!r} is no message"
        field = message.fields_by_name.get(name)
        if field is None:
            return f"{path!r}: {message.full_name} has no field {name!r}"
        if field.is_repeated:
            return f"{path!r}: {name!r} is repeated"
        message = field.message_type
    return f"{path!r} is a message; a key is one value" if message is not None else ""


def field_key(path: str) -> KeyOf:
    """Return what reads a field of the request as text; "" where it is not set."""
    read = attrgetter(path)

    def key_of(call: Call) -> str:
        value: Any = read(call.message) if call.message is not None else ""
        return str(value) if value else ""

    return key_of


def hedge_options(
    policy: MethodPolicy,
    origins: Origins,
    *,
    idempotent: bool,
    reads_only: bool,
    unary: bool,
) -> HedgeOptions | None:
    """Return how slow attempts get company; None for what must not be sent twice.

    A method with side effects has hedges only where a level says something of `hedge`
    itself: of two DELETEs at once one is told that there is nothing.

    Args:
        policy: merged.
        origins: of its values.
        idempotent: sending it twice has the effect of sending it once.
        reads_only: it has no side effects at all.
        unary: one message each way.
    """
    hedge, retry = policy.hedge, policy.retry
    once = retry.disabled or retry.max_attempts <= 1  # whoever says so means it
    if hedge.disabled or once or not idempotent or not unary:
        return None
    if not reads_only and not _says(origins, "hedge"):
        return None
    return HedgeOptions(
        delay_s=seconds(hedge.delay) if hedge.HasField("delay") else None,
        quantile=hedge.quantile,
        min_delay_s=seconds(hedge.min_delay),
        max_hedges=hedge.max_hedges,
        max_share=hedge.max_share,
        max_attempts=retry.max_attempts,
        retryable_http_statuses=frozenset(retry.retryable_http_statuses),
        reads_only=reads_only,
    )


def _says(origins: Origins, mechanism: str) -> bool:
    """Tell whether any level but the built-in one speaks of a mechanism."""
    return any(
        path.startswith(f"{mechanism}.") and at.partition(" ")[0] != _LEVELS[0]
        for path, at in origins.items()
    )


def serialize_options(
    policy: SerializePolicy, origins: Origins, method: str
) -> SerializeOptions | None:
    """Return how calls for one key are put in a row, None where they are not.

    Args:
        policy: merged.
        origins: of the method's values: methods of a service that have it from there share
            their turns.
        method: "panel.v1.OrderService/GetOrder".
    """
    if policy.disabled or not policy.field:
        return None
    own = origins.get("serialize.field", "").partition(" ")[0] == "method"
    return SerializeOptions(
        max_queued=policy.max_queued,
        max_keys=policy.max_keys,
        name=method if own else method.partition("/")[0],
        across_processes=policy.across_processes,
    )


def _budget_options(policy: UpstreamPolicy) -> RetryBudgetOptions | None:
    budget = policy.retry_budget
    if budget.disabled:
        return None
    return RetryBudgetOptions(
        share=budget.share, min_per_s=budget.min_per_second, window_s=seconds(budget.window)
    )


def _bulkhead_options(policy: UpstreamPolicy) -> BulkheadOptions | None:
    bulkhead = policy.bulkhead
    if bulkhead.disabled:
        return None
    return BulkheadOptions(
        max_in_flight=bulkhead.max_in_flight or None,
        max_queued=bulkhead.max_queued,
        max_wait_s=seconds(bulkhead.max_wait),
    )


def _adaptive_options(policy: UpstreamPolicy) -> AdaptiveOptions | None:
    adaptive = policy.adaptive_concurrency
    if adaptive.disabled:
        return None
    return AdaptiveOptions(
        min_limit=min(adaptive.min_limit, adaptive.max_limit),
        max_limit=adaptive.max_limit,
        initial_limit=min(adaptive.initial_limit, adaptive.max_limit),
        latency_tolerance=adaptive.latency_tolerance,
        slow_start=adaptive.slow_start,
    )


def _pacing_options(policy: UpstreamPolicy) -> PacingOptions | None:
    pacing = policy.pacing
    if pacing.disabled or not (pacing.requests or pacing.learn):
        return None
    return PacingOptions(
        requests=pacing.requests or None,
        per_s=seconds(pacing.per),
        burst=pacing.burst,
        max_queued=pacing.max_queued,
        learn=pacing.learn,
    )


def _endpoint_options(policy: UpstreamPolicy, client: ClientOptions) -> EndpointOptions:
    outlier, health, reach = policy.outlier_detection, policy.health_check, policy.reachability
    return EndpointOptions(
        client=client,
        addresses=tuple(parse_endpoint(endpoint) for endpoint in policy.endpoints),
        mode=Discovery[DiscoveryPolicy.Mode.Name(policy.discovery.mode or DiscoveryPolicy.LOGICAL)],
        refresh_interval_s=seconds(policy.discovery.refresh_interval),
        balancing=Balancing[
            LoadBalancingPolicy.Policy.Name(
                policy.load_balancing.policy or LoadBalancingPolicy.PEAK_EWMA
            )
        ],
        panic_threshold=policy.load_balancing.panic_threshold,
        outlier=None
        if outlier.disabled
        else OutlierOptions(
            consecutive_failures=outlier.consecutive_failures,
            failure_rate=outlier.failure_rate,
            minimum_calls=outlier.minimum_calls,
            minimum_endpoints=outlier.minimum_endpoints,
            interval_s=seconds(outlier.interval),
            base_ejection_s=seconds(outlier.base_ejection_time),
            max_ejection_s=seconds(outlier.max_ejection_time),
            max_ejected_share=outlier.max_ejected_share,
        ),
        health=HealthOptions(
            path=health.path,
            interval_s=seconds(health.interval),
            timeout_s=seconds(health.timeout),
            unhealthy_threshold=health.unhealthy_threshold,
            healthy_threshold=health.healthy_threshold,
        )
        if health.path and not health.disabled
        else None,
        reachability=None
        if reach.disabled
        else ReachabilityOptions(
            consecutive_failures=reach.consecutive_failures,
            probe_interval_s=seconds(reach.probe_interval),
        ),
    )
