"""Prometheus metrics from events.

Labels are bounded: methods that are served, gRPC codes, upstreams and their endpoints,
fields of composed answers (not their elements, which callers number), a handful of kinds.
A call adds to plain numbers, because everything that counts and reads
runs on one event loop; what Prometheus wants is made of them when it asks. What is a
state and no event (limits, breakers, endpoints) is read then too (`upstreams.py`).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import prometheus_client as prometheus
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric

from gateway.core.call import Call, MethodInfo
from gateway.core.criticality import Criticality
from gateway.core.events import (
    AttemptEnded,
    BreakerChanged,
    CallEnded,
    CallRefused,
    Event,
    FallbackUsed,
    HedgeEnded,
    HedgeSent,
    OverloadChanged,
    PartMissing,
    RetryGivenUp,
    RetryScheduled,
)
from gateway.core.outcome import Kind
from gateway.core.state import UpstreamState
from gateway.core.status import Code
from gateway.telemetry.edge import EdgeMetrics
from gateway.telemetry.operations import OperationMetrics
from gateway.telemetry.sharing import SharingMetrics
from gateway.telemetry.upstreams import upstream_metrics

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BOUNDS = (*(str(float(bound)) for bound in _BUCKETS_S), "+Inf")
_METHOD = ("service", "method")
_COUNTERS = (
    (
        "attempts",
        "outcome",
        "Requests to upstreams, by outcome: success, failure, ignored, abandoned.",
    ),
    (
        "retries",
        "decision",
        "Failed attempts that could be repeated, by decision: scheduled, given_up.",
    ),
    ("hedges", "result", "Second attempts beside slow ones: sent, and of these won or lost."),
    ("refusals", "mechanism", "Calls and attempts that were not let through, by mechanism."),
    ("fallbacks", "step", "Answers of the steps of fallback chains."),
    ("parts_missing", "part", "Parts missing from composed answers, by field."),
)
"""Name, label and text of what is counted a method, beside calls."""


class Metrics:
    """A listener that counts, and the page that Prometheus reads.

    Args:
        in_flight: calls inside the gateway now.
        upstreams: the state of each upstream now.
    """

    def __init__(
        self,
        in_flight: Callable[[], int],
        upstreams: Callable[[], Iterable[UpstreamState]] = tuple,
    ) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._in_flight = in_flight
        self._upstreams = upstreams
        self._registry.register(self)
        self._by_method: dict[str, _MethodMetrics] = {}
        self._transitions: dict[tuple[str, str, str], int] = defaultdict(int)
        self._least = Criticality.SHEDDABLE
        self._edge = EdgeMetrics()
        self._sharing = SharingMetrics()
        self._operations = OperationMetrics()
        self._takers: dict[type, Callable[..., None]] = {
            CallEnded: self._call_ended,
            AttemptEnded: self._attempt_ended,
            RetryScheduled: self._counted("retries", lambda _: "scheduled"),
            RetryGivenUp: self._counted("retries", lambda _: "given_up"),
            HedgeSent: self._counted("hedges", lambda _: "sent"),
            HedgeEnded: self._counted("hedges", lambda event: "won" if event.won else "lost"),
            CallRefused: self._counted("refusals", lambda event: event.mechanism),
            FallbackUsed: self._fallback_used,
            PartMissing: self._counted("parts_missing", _part_field),
            BreakerChanged: self._breaker_changed,
            OverloadChanged: self._overload_changed,
            **self._edge.takers,
            **self._sharing.takers,
            **self._operations.takers,
        }

    def page(self) -> bytes:
        """Return the Prometheus text."""
        return prometheus.generate_latest(self._registry)

    def __call__(self, event: Event) -> None:
        """Count an event, where it is one of those that are counted."""
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)

    def _of(self, call: Call) -> "_MethodMetrics":
        method = call.method
        metrics = self._by_method.get(method.path)
        if metrics is None:
            metrics = self._by_method[method.path] = _MethodMetrics(method)
        return metrics

    def _call_ended(self, event: CallEnded) -> None:
        metrics = self._of(event.call)
        metrics.calls[event.code] += 1
        metrics.call_durations.observe(event.duration_s)
        if event.call.previous_attempts:
            metrics.client_retries += 1

    def _attempt_ended(self, event: AttemptEnded) -> None:
        metrics = self._of(event.call)
        outcome = event.outcome
        kind = outcome.kind.value if outcome is not None else "abandoned"
        metrics.counts["attempts"][kind] += 1
        metrics.attempt_durations.observe(event.duration_s)

    def _fallback_used(self, event: FallbackUsed) -> None:
        if event.outcome.kind is Kind.SUCCESS:
            self._of(event.call).counts["fallbacks"][event.step] += 1

    def _breaker_changed(self, event: BreakerChanged) -> None:
        self._transitions[event.upstream, event.name, event.after] += 1

    def _overload_changed(self, event: OverloadChanged) -> None:
        self._least = Criticality[event.least.upper()]

    def _counted(self, name: str, label: Callable[[Any], str]) -> Callable[..., None]:
        def take(event: Any) -> None:
            self._of(event.call).counts[name][label(event)] += 1

        return take

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
        for name, label, text in _COUNTERS:
            yield _counter(f"seawall_{name}", text, label, of, lambda m, n=name: m.counts[n])
        yield _histogram(
            "seawall_attempt_duration_seconds",
            "From the beginning to the end of a request to an upstream.",
            of,
            lambda m: m.attempt_durations,
        )
        retried = CounterMetricFamily(
            "seawall_client_retries", "Calls that their callers had sent before.", labels=_METHOD
        )
        for metrics in of:
            if metrics.client_retries:
                retried.add_metric(metrics.labels, metrics.client_retries)
        yield retried
        yield GaugeMetricFamily(
            "seawall_calls_in_flight", "Calls inside the gateway.", self._in_flight()
        )
        yield GaugeMetricFamily(
            "seawall_least_criticality",
            "The least criticality that the process serves now; 1 is everything.",
            int(self._least),
        )
        yield from self._edge.collect()
        yield from self._sharing.collect()
        yield from self._operations.collect()
        yield from upstream_metrics(list(self._upstreams()), self._transitions)


def _part_field(event: PartMissing) -> str:
    """Return "results" of "results[3]"."""
    return event.part.partition("[")[0]


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

    __slots__ = (
        "attempt_durations",
        "call_durations",
        "calls",
        "client_retries",
        "counts",
        "labels",
    )

    def __init__(self, method: MethodInfo) -> None:
        self.labels = (method.service, method.name)
        self.calls: dict[Code, int] = defaultdict(int)
        self.client_retries = 0
        self.counts: dict[str, dict[str, int]] = {
            name: defaultdict(int) for name, _, _ in _COUNTERS
        }
        self.call_durations = _Durations()
        self.attempt_durations = _Durations()


def _counter(
    name: str,
    text: str,
    label: str,
    of: list[_MethodMetrics],
    counts: Callable[..., dict[str, int]],
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
