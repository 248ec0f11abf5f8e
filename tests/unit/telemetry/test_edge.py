"""Metrics of the edge, read back by Prometheus' own parser."""

from fakes.clock import FakeClock
from prometheus_client.parser import text_string_to_metric_families
from support.calls import new_call

from gateway.core.events import LimitExceeded, MaterialChanged, StoreChanged
from gateway.telemetry.metrics import Metrics


def value(metrics: Metrics, sample_name: str, /, **labels: str) -> float:
    (found,) = (
        sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
        if sample.name == sample_name and sample.labels == labels
    )
    return found


def test_limits_are_counted_by_what_became_of_the_call() -> None:
    metrics, call = Metrics(lambda: 0), new_call(FakeClock())
    for shadow in (False, False, True):
        metrics(LimitExceeded(call, "shop:logins", shadow))
    name = "seawall_limits_exceeded_total"
    assert value(metrics, name, limit="shop:logins", effect="refused") == 2
    assert value(metrics, name, limit="shop:logins", effect="shadow") == 1


def test_a_store_is_there_or_not() -> None:
    metrics = Metrics(lambda: 0)
    metrics(StoreChanged("limits", False, "timed out"))
    assert value(metrics, "seawall_store_available", store="limits") == 0
    metrics(StoreChanged("limits", True, "answers"))
    assert value(metrics, "seawall_store_available", store="limits") == 1


def test_material_that_was_not_taken_is_counted_apart() -> None:
    metrics = Metrics(lambda: 0)
    metrics(MaterialChanged("certificate", "0.0.0.0:443", True, "replaced"))
    metrics(MaterialChanged("certificate", "0.0.0.0:443", False, "the key does not fit"))
    labels = {"kind": "certificate", "name": "0.0.0.0:443"}
    assert value(metrics, "seawall_material_reads_total", **labels, result="refused") == 1
