import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, Script, answered, new_call, refused, reset

from gateway.core.call import Call
from gateway.core.criticality import Criticality
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.concurrency import (
    AdaptiveOptions,
    BulkheadOptions,
    ConcurrencyInterceptor,
    ConcurrencyLimiter,
    ShedInterceptor,
)
from gateway.interceptors.concurrency.interceptor import verdict_of
from gateway.interceptors.concurrency.places import Verdict


def timed_out(origin: Origin = Origin.UPSTREAM) -> CallError:
    return CallError(Code.DEADLINE_EXCEEDED, Reason.ATTEMPT_TIMEOUT, "x", origin=origin)


def paced() -> CallError:
    return CallError(Code.RESOURCE_EXHAUSTED, Reason.PACED, "x")


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (SUCCESS, Verdict.OK),
        (failed(answered(404)), Verdict.OK),
        (failed(answered(409)), Verdict.OK),
        (failed(answered(429)), Verdict.OVERLOADED),
        (failed(answered(503)), Verdict.OVERLOADED),
        (failed(answered(504)), Verdict.OVERLOADED),
        (failed(timed_out()), Verdict.OVERLOADED),
        (failed(timed_out(Origin.GATEWAY)), Verdict.IGNORED),  # it waited for its caller
        (failed(answered(500)), Verdict.IGNORED),
        (failed(answered(502)), Verdict.IGNORED),
        (failed(answered(408)), Verdict.IGNORED),
        (failed(refused()), Verdict.IGNORED),
        (failed(reset()), Verdict.IGNORED),
        (failed(paced()), Verdict.IGNORED),
    ],
)
def test_what_an_outcome_says_about_the_limit(outcome, verdict):
    assert verdict_of(outcome) is verdict


class Setting:
    """One limiter with its interceptors."""

    def __init__(self, clock: FakeClock, **options) -> None:
        self.events = Recorder()
        self.limiter = ConcurrencyLimiter("shop", BulkheadOptions(**options), None, clock)
        listeners = Events([self.events])
        self.attempt = ConcurrencyInterceptor(self.limiter, clock, listeners)
        self.shed = ShedInterceptor(self.limiter, clock, listeners)


async def test_an_attempt_holds_a_place_while_it_lasts():
    clock = FakeClock(auto_jump=True)
    setting = Setting(clock, max_in_flight=4)
    seen = []

    async def attempt(_call: Call) -> Outcome:
        seen.append(setting.limiter.in_flight)
        await clock.sleep(0.25)
        return SUCCESS

    call = new_call(clock)
    assert await setting.attempt(call, attempt) is SUCCESS
    assert seen == [1]
    assert setting.limiter.in_flight == 0
    assert setting.limiter.times_of(call.method.full_name).expected_s == pytest.approx(0.25)
    assert setting.events == []


async def test_the_wait_for_a_place_is_no_part_of_an_attempts_time():
    clock = FakeClock(auto_jump=True)
    setting = Setting(clock, max_in_flight=1)

    async def attempt(_call: Call) -> Outcome:
        await clock.sleep(0.25)
        return SUCCESS

    first = asyncio.ensure_future(setting.attempt(new_call(clock), attempt))
    second = asyncio.ensure_future(setting.attempt(new_call(clock), attempt))
    assert await first is await second is SUCCESS
    assert clock.now() == pytest.approx(1000.5)
    times = setting.limiter.times_of(new_call(clock).method.full_name)
    assert times.expected_s == pytest.approx(0.25)


async def test_a_refused_attempt_reaches_nobody_and_is_told():
    clock = FakeClock()
    setting = Setting(clock, max_in_flight=1, max_queued=0)
    setting.limiter.try_acquire()
    script = Script(None)
    call = new_call(clock)
    outcome = await setting.attempt(call, script)
    assert script.attempts == 0
    assert outcome.kind is Kind.IGNORED
    assert outcome.error is not None
    assert outcome.error.code is Code.RESOURCE_EXHAUSTED
    assert outcome.error.reason is Reason.CONCURRENCY_LIMIT
    assert outcome.error.origin is Origin.GATEWAY
    assert outcome.error.retry_after_s is not None
    assert setting.events == [CallRefused(call, "concurrency", outcome.error)]


@pytest.mark.parametrize("end", ["cancel", "fault"])
async def test_a_place_comes_back_however_the_attempt_ends(end):
    clock = FakeClock()
    setting = Setting(clock, max_in_flight=1)

    async def attempt(_call: Call) -> Outcome:
        if end == "fault":
            raise RuntimeError("broken")
        await asyncio.get_running_loop().create_future()
        return SUCCESS

    task = asyncio.ensure_future(setting.attempt(new_call(clock), attempt))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(RuntimeError if end == "fault" else asyncio.CancelledError):
        await task
    assert setting.limiter.in_flight == 0
    assert setting.limiter.times_of(new_call(clock).method.full_name).expected_s == 0


async def test_an_attempt_cancelled_in_the_line_leaves_no_trace():
    clock = FakeClock()
    setting = Setting(clock, max_in_flight=1)
    setting.limiter.try_acquire()
    task = asyncio.ensure_future(setting.attempt(new_call(clock), Script(None)))
    await asyncio.sleep(0)
    assert setting.limiter.queued == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (setting.limiter.in_flight, setting.limiter.queued, clock.pending) == (1, 0, 0)


async def test_each_attempt_of_a_call_takes_a_place_anew():
    clock = FakeClock()
    setting = Setting(clock, max_in_flight=1)
    call = new_call(clock)
    script = Script(answered(503), None)
    first = await setting.attempt(call, script)
    second = await setting.attempt(call, script)
    assert first.kind is Kind.FAILURE
    assert second is SUCCESS
    assert setting.limiter.in_flight == 0


async def test_what_could_not_even_wait_is_shed_before_it_is_decoded():
    clock = FakeClock()
    setting = Setting(clock, max_in_flight=1, max_queued=0)
    call = new_call(clock)
    assert setting.shed.prepare(call) is None
    setting.limiter.try_acquire()
    outcome = setting.shed.prepare(call)
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.code is Code.RESOURCE_EXHAUSTED
    assert outcome.error.reason is Reason.CONCURRENCY_LIMIT
    assert outcome.error.retry_after_s is not None
    assert setting.events == [CallRefused(call, "concurrency", outcome.error)]


async def test_one_that_may_look_at_a_silent_upstream_is_not_shed():
    clock = FakeClock()
    limiter = ConcurrencyLimiter(
        "shop", BulkheadOptions(max_queued=0), AdaptiveOptions(initial_limit=4), clock
    )
    shed = ShedInterceptor(limiter, clock, Events())
    while limiter.try_acquire():
        pass
    assert shed.prepare(new_call(clock)) is not None
    clock.advance(0.49)
    assert shed.prepare(new_call(clock)) is not None
    clock.advance(0.01)
    call = new_call(clock)
    assert shed.prepare(call) is None
    assert await limiter.acquire(call, clock.now()) == limiter.generation


async def test_the_least_critical_is_shed_first():
    clock = FakeClock()
    setting = Setting(clock, max_in_flight=1, max_queued=1)
    setting.limiter.try_acquire()
    waiting = new_call(clock)
    waiting.criticality = Criticality.SHEDDABLE_PLUS
    task = asyncio.ensure_future(setting.attempt(waiting, Script(None)))
    await asyncio.sleep(0)
    shed = {}
    for criticality in Criticality:
        call = new_call(clock)
        call.criticality = criticality
        shed[criticality.name] = setting.shed.prepare(call) is not None
    assert shed == {
        "SHEDDABLE": True,
        "SHEDDABLE_PLUS": True,
        "CRITICAL": False,
        "CRITICAL_PLUS": False,
    }
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_their_names_stand_in_the_pipelines_shape():
    assert (ConcurrencyInterceptor.name, ShedInterceptor.name) == ("concurrency", "shed")
