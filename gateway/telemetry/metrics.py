"""Prometheus metrics from events.

Labels are bounded: methods that are served, gRPC codes, a handful of kinds. A call
adds to plain numbers, because everything that counts and reads runs on one event
loop; what Prometheus wants is made of them when it asks.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator

import prometheus_client as prometheus
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric

from gateway.core.call import MethodInfo
from gateway.core.events import AttemptEnded, CallEnded, DrainStage, Event, RetryScheduled
from gateway.core.outcome import Kind
from gateway.core.status import Code

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BOUNDS = (*(str(float(bound)) for bound in _BUCKETS_S), "+Inf")
_METHOD = ("service", "method")


class Metrics:
    """A listener that counts, and the page that Prometheus reads.

    Args:
        in_flight: calls inside the gateway now.
    """

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._in_flight = in_flight
        self._registry.register(self)
        self._by_method: dict[str, _MethodMetrics] = {}

    def page(self) -> bytes:
        """Return the Prometheus text."""
        return prometheus.generate_latest(self._registry)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, DrainStage):
            return
        method = event.call.method
        metrics = self._by_method.get(method.path)
        if metrics is None:
            metrics = self._by_method[method.path] = _MethodMetrics(method)
        if isinstance(event, AttemptEnded):
            metrics.attempts[event.outcome.kind if event.outcome else None] += 1
            metrics.attempt_durations.observe(event.duration_s)
        elif isinstance(event, CallEnded):
            metrics.calls[event.code] += 1
            metrics.call_durations.observe(event.duration_s)
        elif isinstance(event, RetryScheduled):
            metrics.retries["scheduled"] += 1
        else:
            metrics.retries["given_up"] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands now."""
        of = list(self._by_method.values())
        yield _counter(
            "seawall_calls",
            "Calls ended, by gRPC status.",
            "code",
            of,
            lambda m: {code.name: count for code, count in m.calls.items()},
        )
        yield _histogram(
            "seawall_call_duration_seconds",
            "From arrival to the end of a call.",
            of,
            lambda m: m.call_durations,
        )
        yield _counter(
            "seawall_attempts",
            "Requests to upstreams, by outcome: success, failure, ignored, abandoned.",
            "outcome",
            of,
            lambda m: {
                kind.value if kind is not None else "abandoned": count
                for kind, count in m.attempts.items()
            },
        )
        yield _histogram(
            "seawall_attempt_duration_seconds",
            "From the beginning to the end of a request to an upstream.",
            of,
            lambda m: m.attempt_durations,
        )
        yield _counter(
            "seawall_retries",
            "Failed attempts that could be repeated, by decision: scheduled, given_up.",
            "decision",
            of,
            lambda m: m.retries,
        )
        yield GaugeMetricFamily(
            "seawall_calls_in_flight", "Calls inside the gateway.", self._in_flight()
        )


class _Durations:
    """A histogram of one method, in seconds."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS_S) + 1)
        self.sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        self.counts[bisect_left(_BUCKETS_S, duration_s)] += 1
        self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, how many were no longer), as Prometheus wants them."""
        total, found = 0, []
        for bound, count in zip(_BOUNDS, self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class _MethodMetrics:
    """One method's numbers, by the value of the label that is theirs."""

    __slots__ = ("attempt_durations", "attempts", "call_durations", "calls", "labels", "retries")

    def __init__(self, method: MethodInfo) -> None:
        self.labels = (method.service, method.name)
        self.calls: dict[Code, int] = defaultdict(int)
        self.attempts: dict[Kind | None, int] = defaultdict(int)
        self.retries: dict[str, int] = defaultdict(int)
        self.call_durations = _Durations()
        self.attempt_durations = _Durations()


def _counter(
    name: str,
    text: str,
    label: str,
    of: list[_MethodMetrics],
    counts: Callable[[_MethodMetrics], dict[str, int]],
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=(*_METHOD, label))
    for metrics in of:
        for value, count in counts(metrics).items():
            family.add_metric((*metrics.labels, value), count)
    return family


def _histogram(
    name: str,
    text: str,
    of: list[_MethodMetrics],
    durations: Callable[[_MethodMetrics], _Durations],
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=_METHOD)
    for metrics in of:
        found = durations(metrics)
        family.add_metric(metrics.labels, found.buckets(), found.sum_s)
    return family
