"""Metrics of what is decided before an upstream is asked: limits, stores, keys, certificates.

A part of `metrics.py`. Labels are bounded: limits and names of the configuration.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.core.events import LimitExceeded, MaterialChanged, StoreChanged


class EdgeMetrics:
    """Counts; `takers` are for the events that it knows."""

    def __init__(self) -> None:
        self._limits: dict[tuple[str, ...], int] = defaultdict(int)
        self._stores: dict[str, bool] = {}
        self._material: dict[tuple[str, ...], int] = defaultdict(int)
        self.takers: Mapping[type, Callable[[Any], None]] = {
            LimitExceeded: self._limit_exceeded,
            StoreChanged: self._store_changed,
            MaterialChanged: self._material_changed,
        }

    def _limit_exceeded(self, event: LimitExceeded) -> None:
        self._limits[event.limit, "shadow" if event.shadow else "refused"] += 1

    def _store_changed(self, event: StoreChanged) -> None:
        self._stores[event.store] = event.available

    def _material_changed(self, event: MaterialChanged) -> None:
        self._material[event.kind, event.name, "accepted" if event.accepted else "refused"] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they stand now."""
        yield _total(
            "seawall_limits_exceeded",
            "Calls beyond a rate limit: refused, or let through because the limit is a shadow.",
            ("limit", "effect"),
            self._limits,
        )
        yield _total(
            "seawall_material_reads",
            "Keys and certificates that were read again, and whether they are in use.",
            ("kind", "name", "result"),
            self._material,
        )
        stores = GaugeMetricFamily(
            "seawall_store_available", "Whether a shared store answers.", labels=("store",)
        )
        for store, available in self._stores.items():
            stores.add_metric((store,), int(available))
        yield stores


def _total(
    name: str, text: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
