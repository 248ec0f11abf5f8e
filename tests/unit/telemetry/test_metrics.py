"""Events to the page that Prometheus reads, read back by its own parser."""

from fakes.clock import FakeClock
from prometheus_client.parser import text_string_to_metric_families
from support.calls import METHOD, answered, new_call

from gateway.core.events import AttemptEnded, CallEnded, DrainStage, RetryGivenUp, RetryScheduled
from gateway.core.outcome import SUCCESS, failed
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
                family.name == "seawall_calls_in_flight" or LABELS.items() <= sample.labels.items()
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
