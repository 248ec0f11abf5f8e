"""Failed calls that were not sampled: which are told, and how many."""

from fakes.clock import FakeClock
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from support.calls import new_call

from gateway.core.call import Call, SubCall
from gateway.core.errors import CallError, Reason
from gateway.core.events import AttemptEnded, CallEnded
from gateway.core.outcome import SUCCESS, failed
from gateway.core.status import Code
from gateway.telemetry.tracing.failed import BURST, MOST_ATTEMPTS, FailedCalls


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.told = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.told))
        self.failed = FailedCalls(provider.get_tracer("test"), self.clock)

    def end(self, call: Call, code: Code = Code.UNAVAILABLE, duration_s: float = 1.0) -> None:
        error = CallError(code, Reason.UPSTREAM_STATUS, "it failed", upstream="shop")
        outcome = SUCCESS if code is Code.OK else failed(error)
        self.failed(CallEnded(call, code, outcome, duration_s))

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.told.get_finished_spans()]


def test_only_failures_of_the_server_are_told() -> None:
    world = World()
    for code in (Code.OK, Code.NOT_FOUND, Code.CANCELLED, Code.UNIMPLEMENTED):
        world.end(new_call(world.clock), code)
    assert world.names == []
    world.end(new_call(world.clock), Code.INTERNAL)
    assert len(world.names) == 1


def test_attempts_are_told_with_their_times_those_of_its_parts_too() -> None:
    world = World()
    call = new_call(world.clock)
    part = SubCall(call)
    error = failed(CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "503", upstream="shop"))
    world.clock.advance(1)
    world.failed(AttemptEnded(call, 1, error, 0.5))
    world.clock.advance(2)
    world.failed(AttemptEnded(part, 1, SUCCESS, 1.5))
    world.end(call, duration_s=3)
    first, second, whole = world.told.get_finished_spans()
    assert [first.attributes["seawall.upstream"], whole.name] == ["shop", call.method.full_name]
    took_s = [(one.end_time - one.start_time) / 1e9 for one in (first, second, whole)]
    assert took_s == [0.5, 1.5, 3.0]
    assert whole.start_time <= first.start_time < first.end_time < second.end_time
    assert {first.parent.span_id, second.parent.span_id} == {whole.context.span_id}


def test_an_outage_is_told_by_examples() -> None:
    world = World()
    for _ in range(3 * BURST):
        world.end(new_call(world.clock))
    assert BURST - 1 <= len(world.names) <= BURST
    before = len(world.names)
    world.clock.advance(0.1)
    for _ in range(50):
        world.end(new_call(world.clock))
    assert len(world.names) - before == 5


def test_what_is_kept_of_one_call_is_bounded() -> None:
    world = World()
    call = new_call(world.clock)
    for number in range(10 * MOST_ATTEMPTS):
        world.failed(AttemptEnded(call, number + 1, SUCCESS, 0.1))
    assert call.past is not None
    assert len(call.past) == MOST_ATTEMPTS
