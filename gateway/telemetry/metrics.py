"""Prometheus metrics from events.

Labels are bounded: methods that are served, gRPC codes, a handful of kinds. The
children of each method are looked up once and kept.
"""

import functools
from collections.abc import Callable

import prometheus_client as prometheus
from prometheus_client.core import GaugeMetricFamily

from gateway.core.call import MethodInfo
from gateway.core.events import AttemptEnded, CallEnded, DrainStage, Event, RetryScheduled

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """A listener that counts, and the page that Prometheus reads.

    Args:
        in_flight: calls inside the gateway now.
    """

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._in_flight = in_flight
        method = ("service", "method")
        self._calls = prometheus.Counter(
            "seawall_calls",
            "Calls ended, by gRPC status.",
            (*method, "code"),
            registry=self._registry,
        )
        self._call_durations = prometheus.Histogram(
            "seawall_call_duration_seconds",
            "From arrival to the end of a call.",
            method,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._attempts = prometheus.Counter(
            "seawall_attempts",
            "Requests to upstreams, by outcome: success, failure, ignored, abandoned.",
            (*method, "outcome"),
            registry=self._registry,
        )
        self._attempt_durations = prometheus.Histogram(
            "seawall_attempt_duration_seconds",
            "From the beginning to the end of a request to an upstream.",
            method,
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._retries = prometheus.Counter(
            "seawall_retries",
            "Failed attempts that could be repeated, by decision: scheduled, given_up.",
            (*method, "decision"),
            registry=self._registry,
        )
        self._registry.register(self)
        self._by_method: dict[str, _MethodMetrics] = {}

    def collect(self) -> list[GaugeMetricFamily]:
        """Return what is read rather than counted."""
        return [
            GaugeMetricFamily(
                "seawall_calls_in_flight", "Calls inside the gateway.", self._in_flight()
            )
        ]

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
            metrics = self._by_method[method.path] = _MethodMetrics(
                method,
                calls=self._calls,
                call_durations=self._call_durations,
                attempts=self._attempts,
                attempt_durations=self._attempt_durations,
                retries=self._retries,
            )
        if isinstance(event, AttemptEnded):
            metrics.attempts(event.outcome.kind.value if event.outcome else "abandoned").inc()
            metrics.attempt_durations.observe(event.duration_s)
        elif isinstance(event, CallEnded):
            metrics.calls(event.code.name).inc()
            metrics.call_durations.observe(event.duration_s)
        elif isinstance(event, RetryScheduled):
            metrics.retries("scheduled").inc()
        else:
            metrics.retries("given_up").inc()


class _MethodMetrics:
    """One method's children, each looked up in the registry once."""

    __slots__ = ("attempt_durations", "attempts", "call_durations", "calls", "retries")

    def __init__(
        self,
        method: MethodInfo,
        *,
        calls: prometheus.Counter,
        call_durations: prometheus.Histogram,
        attempts: prometheus.Counter,
        attempt_durations: prometheus.Histogram,
        retries: prometheus.Counter,
    ) -> None:
        self.calls = _by_value(calls, method)
        self.call_durations = call_durations.labels(method.service, method.name)
        self.attempts = _by_value(attempts, method)
        self.attempt_durations = attempt_durations.labels(method.service, method.name)
        self.retries = _by_value(retries, method)


def _by_value(
    counter: prometheus.Counter, method: MethodInfo
) -> Callable[[str], prometheus.Counter]:
    return functools.cache(lambda value: counter.labels(method.service, method.name, value))
