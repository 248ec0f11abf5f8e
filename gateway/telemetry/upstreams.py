"""The state of upstreams as Prometheus gauges.

A breaker that has a key for each caller or field value is left out: its keys are
unbounded labels. `seawall_breaker_transitions` counts it under its own name.
"""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.core.state import UpstreamState

_BREAKER_STATES = ("closed", "open", "half_open", "forced_open", "monitor_only")
_ENDPOINT_STATES = ("healthy", "ejected", "unhealthy", "unreachable")


def upstream_metrics(
    upstreams: Sequence[UpstreamState], transitions: Mapping[tuple[str, str, str], int]
) -> Iterator[Metric]:
    """Yield the metrics of every upstream.

    Args:
        upstreams: as they stand.
        transitions: counted by upstream, breaker and state entered.
    """
    reachable = _gauge("upstream_reachable", "1 where any endpoint can be connected to.")
    for up in upstreams:
        reachable.add_metric([up.name], up.reachable)
    yield reachable
    yield _endpoints(upstreams)
    yield from _breakers(upstreams, transitions)
    yield from _limits(upstreams)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"seawall_{name}", text, labels=("upstream", *labels))


def _endpoints(upstreams: Sequence[UpstreamState]) -> Metric:
    found = _gauge("endpoint_state", "1 for the state of each endpoint.", "endpoint", "state")
    for up in upstreams:
        for endpoint in up.endpoints:
            for state in _ENDPOINT_STATES:
                found.add_metric([up.name, endpoint.address, state], state == endpoint.state)
    return found


def _breakers(
    upstreams: Sequence[UpstreamState], transitions: Mapping[tuple[str, str, str], int]
) -> Iterator[Metric]:
    states = _gauge("breaker_state", "1 for the state of each breaker.", "breaker", "state")
    for up in upstreams:
        for breaker in up.breakers:
            if not breaker.key:
                for state in _BREAKER_STATES:
                    states.add_metric([up.name, breaker.name, state], state == breaker.state)
    yield states
    entered = CounterMetricFamily(
        "seawall_breaker_transitions",
        "States that breakers entered.",
        labels=("upstream", "breaker", "to"),
    )
    for labels, count in transitions.items():
        entered.add_metric(labels, count)
    yield entered


def _limits(upstreams: Sequence[UpstreamState]) -> Iterator[Metric]:
    limit = _gauge("concurrency_limit", "Attempts that may be under way at once.")
    in_flight = _gauge("concurrency_in_flight", "Attempts under way.")
    queued = _gauge("concurrency_queued", "Attempts that wait for a place.")
    budget = _gauge("retry_budget_remaining", "Retries and hedges that may be scheduled now.")
    rate = _gauge("pacing_requests_per_second", "Requests a second at most, where there is one.")
    waiting = _gauge("pacing_queued", "Requests that wait for their turn.")
    for up in upstreams:
        if up.concurrency is not None:
            limit.add_metric([up.name], up.concurrency.limit)
            in_flight.add_metric([up.name], up.concurrency.in_flight)
            queued.add_metric([up.name], up.concurrency.queued)
        if up.retry_budget is not None:
            budget.add_metric([up.name], up.retry_budget)
        if up.pacing is not None:
            rate.add_metric([up.name], up.pacing.requests_per_s)
            waiting.add_metric([up.name], up.pacing.queued)
    yield from (limit, in_flight, queued, budget, rate, waiting)
