"""Metrics of durable operations.

A part of `metrics.py`. Labels are bounded: methods that are served, states, statuses.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.core.call import MethodInfo
from gateway.core.events import OperationAccepted, OperationAttempted, OperationEnded

_METHOD: Final = ("service", "method")
_BOUNDS_S: Final = (0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0)


class OperationMetrics:
    """Counts; `takers` are for the events that it knows."""

    def __init__(self) -> None:
        self._accepted: dict[tuple[str, ...], int] = defaultdict(int)
        self._attempts: dict[tuple[str, ...], int] = defaultdict(int)
        self._ended: dict[tuple[str, ...], int] = defaultdict(int)
        self._ages: dict[tuple[str, ...], list[int]] = {}
        self._age_sums: dict[tuple[str, ...], float] = defaultdict(float)
        self.takers: Mapping[type, Callable[[Any], None]] = {
            OperationAccepted: self._taken,
            OperationAttempted: self._attempted,
            OperationEnded: self._over,
        }

    def _taken(self, event: OperationAccepted) -> None:
        self._accepted[_labels(event.method)] += 1

    def _attempted(self, event: OperationAttempted) -> None:
        error = event.outcome.error
        code = "OK" if error is None else error.code.name
        self._attempts[*_labels(event.method), code] += 1

    def _over(self, event: OperationEnded) -> None:
        labels = _labels(event.method)
        self._ended[*labels, event.state] += 1
        self._age_sums[labels] += event.age_s
        counts = self._ages.setdefault(labels, [0] * (len(_BOUNDS_S) + 1))
        counts[sum(event.age_s > bound for bound in _BOUNDS_S)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand now."""
        yield _total(
            "seawall_operations_accepted",
            "Calls that were kept as durable operations, by this process.",
            _METHOD,
            self._accepted,
        )
        yield _total(
            "seawall_operation_attempts",
            "Attempts of durable operations, by this process, and how they ended.",
            (*_METHOD, "code"),
            self._attempts,
        )
        yield _total(
            "seawall_operations_ended",
            "Durable operations that ended: succeeded, failed, dead (a dead letter) or cancelled.",
            (*_METHOD, "state"),
            self._ended,
        )
        family = HistogramMetricFamily(
            "seawall_operation_age_seconds",
            "From the acceptance of durable operations to their end.",
            labels=_METHOD,
        )
        for labels, counts in self._ages.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric(labels, buckets, self._age_sums[labels])
        yield family


def _labels(method: MethodInfo) -> tuple[str, str]:
    return method.service, method.name


def _total(
    name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
