"""Events to the page that Prometheus reads, read back by its own parser."""

from fakes.clock import FakeClock
from prometheus_client.parser import text_string_to_metric_families
from support.calls import METHOD, answered, new_call

from gateway.core.errors import Reason, refused
from gateway.core.events import (
    AttemptEnded,
    BreakerChanged,
    CallEnded,
    CallRefused,
    DrainStage,
    FallbackUsed,
    HedgeEnded,
    HedgeSent,
    OverloadChanged,
    PartMissing,
    RetryGivenUp,
    RetryScheduled,
)
from gateway.core.outcome import SUCCESS, failed
from gateway.core.state import (
    BreakerState,
    ConcurrencyState,
    EndpointState,
    PacingState,
    UpstreamState,
)
from gateway.core.status import Code
from gateway.telemetry.metrics import Metrics

LABELS = {"service": METHOD.service, "method": METHOD.name}


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the labels that are not the method's."""
    found = {}
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            more = sorted(set(sample.labels.items()) - set(LABELS.items()))
            assert (
                family.name in ("seawall_calls_in_flight", "seawall_least_criticality")
                or "upstream" in sample.labels
                or LABELS.items() <= sample.labels.items()
            )
            found[(sample.name, *(value for _, value in more))] = sample.value
    return found


def test_calls_attempts_and_retries_are_counted_by_their_label() -> None:
    metrics = Metrics(lambda: 3)
    call = new_call(FakeClock())
    bad = failed(answered(503))
    for event in (
        AttemptEnded(call, 1, bad, 0.2),
        RetryScheduled(call, 1, bad, 0.1),
        AttemptEnded(call, 2, None, 0.2),
        RetryGivenUp(call, 2, bad, "all attempts are spent"),
        CallEnded(call, Code.UNAVAILABLE, bad, 0.5),
        CallEnded(call, Code.OK, SUCCESS, 0.001),
        CallEnded(call, Code.OK, SUCCESS, 0.001),
        DrainStage("wait", 0),
    ):
        metrics(event)
    found = samples(metrics)
    assert found["seawall_calls_total", "OK"] == 2
    assert found["seawall_calls_total", "UNAVAILABLE"] == 1
    assert found["seawall_attempts_total", "failure"] == 1
    assert found["seawall_attempts_total", "abandoned"] == 1
    assert found["seawall_retries_total", "scheduled"] == 1
    assert found["seawall_retries_total", "given_up"] == 1
    assert found["seawall_calls_in_flight",] == 3


def test_durations_are_cumulative_and_a_bound_counts_as_within() -> None:
    metrics = Metrics(lambda: 0)
    call = new_call(FakeClock())
    for duration_s in (0.005, 0.0051, 1.0, 61.0):
        metrics(CallEnded(call, Code.OK, SUCCESS, duration_s))
    found = samples(metrics)
    name = "seawall_call_duration_seconds"
    assert [
        found[f"{name}_bucket", bound] for bound in ("0.005", "0.01", "0.5", "1.0", "60.0")
    ] == [
        1,
        2,
        2,
        3,
        3,
    ]
    assert found[f"{name}_bucket", "+Inf"] == found[f"{name}_count",] == 4
    assert found[f"{name}_sum",] == 0.005 + 0.0051 + 1.0 + 61.0


def test_what_mechanisms_decide_is_counted_by_its_kind() -> None:
    metrics = Metrics(lambda: 0)
    call = new_call(FakeClock())
    call.previous_attempts = 2
    bad = failed(answered(503))
    no = refused(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "no", retry_after_s=None)
    for event in (
        HedgeSent(call, 2, 0.1),
        HedgeEnded(call, won=True),
        CallRefused(call, "breaker", no),
        FallbackUsed(call, "backup", bad, SUCCESS),
        FallbackUsed(call, "broken", bad, bad),
        PartMissing(call, "orders", bad),
        CallEnded(call, Code.OK, SUCCESS, 0.1),
        BreakerChanged("shop", "shop", "closed", "open", "10 failures in a row"),
        OverloadChanged("critical", "the event loop is 0.3 s late"),
    ):
        metrics(event)
    found = samples(metrics)
    assert found["seawall_hedges_total", "sent"] == found["seawall_hedges_total", "won"] == 1
    assert found["seawall_refusals_total", "breaker"] == 1
    assert found["seawall_fallbacks_total", "backup"] == 1
    assert ("seawall_fallbacks_total", "broken") not in found
    assert found["seawall_parts_missing_total", "orders"] == 1
    assert found["seawall_client_retries_total",] == 1
    assert found["seawall_breaker_transitions_total", "shop", "open", "shop"] == 1
    assert found["seawall_least_criticality",] == 3


def test_missing_parts_are_counted_by_field_however_many_items_callers_send() -> None:
    metrics = Metrics(lambda: 0)
    call, bad = new_call(FakeClock()), failed(answered(503))
    for index in range(100):
        metrics(PartMissing(call, f"results[{index}]", bad))
    found = samples(metrics)
    missing = {labels: n for labels, n in found.items() if labels[0].endswith("missing_total")}
    assert missing == {("seawall_parts_missing_total", "results"): 100}


def test_the_state_of_an_upstream_is_read_when_somebody_asks() -> None:
    breaker = BreakerState(
        name="shop",
        key="",
        state="open",
        open_for_s=0.1,
        calls=20,
        failures=20,
        consecutive_failures=20,
    )
    keyed = BreakerState(
        name="tenants",
        key="t-1",
        state="open",
        open_for_s=0.1,
        calls=1,
        failures=1,
        consecutive_failures=1,
    )
    state = UpstreamState(
        name="shop",
        reachable=False,
        endpoints=[
            EndpointState(address="h:1", state="ejected", in_flight=0, latency_s=None),
        ],
        breakers=[breaker, keyed],
        concurrency=ConcurrencyState(limit=7, in_flight=5, queued=2),
        retry_budget=3.5,
        pacing=PacingState(requests_per_s=12.5, queued=4, learned=True),
    )
    found = samples(Metrics(lambda: 0, lambda: [state]))
    assert found["seawall_upstream_reachable", "shop"] == 0
    assert found["seawall_endpoint_state", "h:1", "ejected", "shop"] == 1
    assert found["seawall_endpoint_state", "h:1", "healthy", "shop"] == 0
    assert found["seawall_breaker_state", "shop", "open", "shop"] == 1
    assert found["seawall_breaker_state", "shop", "closed", "shop"] == 0
    assert not any("tenants" in key for key in found)
    assert found["seawall_concurrency_limit", "shop"] == 7
    assert found["seawall_concurrency_in_flight", "shop"] == 5
    assert found["seawall_concurrency_queued", "shop"] == 2
    assert found["seawall_retry_budget_remaining", "shop"] == 3.5
    assert found["seawall_pacing_requests_per_second", "shop"] == 12.5
    assert found["seawall_pacing_queued", "shop"] == 4
