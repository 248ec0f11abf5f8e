"""Metrics of answers that are shared and of calls that are made once.

A part of `metrics.py`. Labels are bounded: methods that are served.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.core.call import MethodInfo
from gateway.core.events import (
    BatchSent,
    CacheAnswered,
    CacheRefreshed,
    CallBatched,
    CallCoalesced,
    CallDeduplicated,
    RecordUnknown,
)

_METHOD = ("service", "method")


class SharingMetrics:
    """Counts; `takers` are for the events that it knows."""

    def __init__(self) -> None:
        self._cache: dict[tuple[str, ...], int] = defaultdict(int)
        self._refreshes: dict[tuple[str, ...], int] = defaultdict(int)
        self._shared: dict[tuple[str, ...], int] = defaultdict(int)
        self._batches: dict[tuple[str, ...], int] = defaultdict(int)
        self._batched_keys: dict[tuple[str, ...], int] = defaultdict(int)
        self._unknown: dict[tuple[str, ...], int] = defaultdict(int)
        self.takers: Mapping[type, Callable[[Any], None]] = {
            CacheAnswered: self._cache_answered,
            CacheRefreshed: self._cache_refreshed,
            CallCoalesced: self._of("coalesced"),
            CallBatched: self._of("batched"),
            CallDeduplicated: self._of("deduplicated"),
            BatchSent: self._batch_sent,
            RecordUnknown: self._record_unknown,
        }

    def _of(self, how: str) -> Callable[[Any], None]:
        def taken(event: Any) -> None:
            self._shared[*_labels(event.call.method), how] += 1

        return taken

    def _cache_answered(self, event: CacheAnswered) -> None:
        self._cache[*_labels(event.call.method), event.state] += 1

    def _cache_refreshed(self, event: CacheRefreshed) -> None:
        result = "answered" if event.outcome.error is None else "failed"
        self._refreshes[*_labels(event.method), result] += 1

    def _batch_sent(self, event: BatchSent) -> None:
        labels = _labels(event.call.method)
        self._batches[labels] += 1
        self._batched_keys[labels] += event.keys

    def _record_unknown(self, event: RecordUnknown) -> None:
        self._unknown[_labels(event.call.method)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand now."""
        yield _total(
            "seawall_cache_answers",
            "Calls that the cache was asked for: cached, stale or negative were kept, fresh came "
            "from the upstream, missed failed there.",
            (*_METHOD, "state"),
            self._cache,
        )
        yield _total(
            "seawall_cache_refreshes",
            "Stale answers that were asked for anew in the background.",
            (*_METHOD, "result"),
            self._refreshes,
        )
        yield _total(
            "seawall_shared_answers",
            "Calls that got the answer of another one: coalesced, batched or deduplicated.",
            (*_METHOD, "how"),
            self._shared,
        )
        yield _total("seawall_batches", "Bulk calls made for single reads.", _METHOD, self._batches)
        yield _total("seawall_batch_keys", "Keys in those bulk calls.", _METHOD, self._batched_keys)
        yield _total(
            "seawall_outcomes_unknown",
            "Calls with a key that were sent, and nobody knows whether they had their effect.",
            _METHOD,
            self._unknown,
        )


def _labels(method: MethodInfo) -> tuple[str, str]:
    return method.service, method.name


def _total(
    name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
