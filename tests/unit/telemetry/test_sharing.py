"""Metrics of shared answers and of calls that are made once, read back by Prometheus' parser."""

from fakes.clock import FakeClock
from support.calls import answered, new_call

from gateway.core.events import (
    BatchSent,
    CacheAnswered,
    CacheRefreshed,
    CallBatched,
    CallCoalesced,
    CallDeduplicated,
    RecordUnknown,
)
from gateway.core.outcome import SUCCESS, failed
from gateway.telemetry.metrics import Metrics

from .test_edge import value

METHOD = {"service": "shop.v1.OrderService", "method": "GetOrder"}


def test_what_the_cache_was_asked_is_counted_by_what_it_had() -> None:
    metrics, call = Metrics(lambda: 0), new_call(FakeClock())
    for state in ("fresh", "cached", "cached", "stale"):
        metrics(CacheAnswered(call, state, 3))
    name = "seawall_cache_answers_total"
    assert value(metrics, name, **METHOD, state="cached") == 2
    assert value(metrics, name, **METHOD, state="stale") == 1
    metrics(CacheRefreshed(call.method, SUCCESS))
    metrics(CacheRefreshed(call.method, failed(answered(503))))
    assert value(metrics, "seawall_cache_refreshes_total", **METHOD, result="failed") == 1


def test_calls_that_got_the_answer_of_another_are_counted_by_how() -> None:
    metrics, call = Metrics(lambda: 0), new_call(FakeClock())
    for event in (CallCoalesced(call), CallCoalesced(call), CallBatched(call)):
        metrics(event)
    metrics(CallDeduplicated(call))
    name = "seawall_shared_answers_total"
    found = [
        value(metrics, name, **METHOD, how=how) for how in ("coalesced", "batched", "deduplicated")
    ]
    assert found == [2, 1, 1]


def test_batches_and_unknown_outcomes_are_counted() -> None:
    metrics, call = Metrics(lambda: 0), new_call(FakeClock())
    metrics(BatchSent(call, 20))
    metrics(BatchSent(call, 5))
    metrics(RecordUnknown(call, "unknown-calls/0"))
    assert value(metrics, "seawall_batches_total", **METHOD) == 2
    assert value(metrics, "seawall_batch_keys_total", **METHOD) == 25
    assert value(metrics, "seawall_outcomes_unknown_total", **METHOD) == 1
