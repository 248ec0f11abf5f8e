import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call

from gateway.core.call import Call
from gateway.core.errors import Reason, Sent
from gateway.core.events import AttemptEnded, Events
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.interceptors.attempt import AttemptInterceptor, AttemptOptions
from gateway.interceptors.deadline import DeadlineInterceptor, DeadlineOptions


def build(clock: FakeClock, timeout_s: float = float("inf")) -> tuple[AttemptInterceptor, Recorder]:
    recorder = Recorder()
    options = AttemptOptions(timeout_s=timeout_s, upstream="shop")
    return AttemptInterceptor(options, clock, Events([recorder])), recorder


async def test_an_attempt_has_a_time_of_its_own():
    clock = FakeClock(auto_jump=True)
    interceptor, recorder = build(clock, timeout_s=2)

    async def slow(_call: Call) -> Outcome:
        await clock.sleep(30)
        return SUCCESS

    outcome = await interceptor(new_call(clock, timeout_s=60), slow)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.ATTEMPT_TIMEOUT
    assert outcome.error.sent is Sent.UNKNOWN
    assert outcome.error.transient
    assert clock.now() == 1002
    (ended,) = recorder
    assert isinstance(ended, AttemptEnded)
    assert ended.duration_s == 2


async def test_an_upstream_that_is_silent_until_the_deadline_has_failed():
    clock = FakeClock(auto_jump=True)
    interceptor, recorder = build(clock, timeout_s=2)

    async def slow(call: Call) -> Outcome:
        assert call.attempt_ends_at == 1001
        await clock.sleep(30)
        return SUCCESS

    outcome = await interceptor(new_call(clock, timeout_s=1), slow)
    assert outcome.kind is Kind.FAILURE
    assert outcome.error is not None
    assert (outcome.error.reason, outcome.error.upstream) == (Reason.ATTEMPT_TIMEOUT, "shop")
    (ended,) = recorder
    assert isinstance(ended, AttemptEnded)
    assert ended.outcome is outcome


async def test_each_attempt_has_its_own_time_and_the_last_what_remains():
    clock = FakeClock(auto_jump=True)
    interceptor, recorder = build(clock, timeout_s=0.4)
    deadline = DeadlineInterceptor(DeadlineOptions(default_s=1), clock)
    call = new_call(clock)

    async def hangs(_call: Call) -> Outcome:
        await clock.sleep(30)
        return SUCCESS

    async def again_and_again(call: Call) -> Outcome:
        while True:
            outcome = await interceptor(call, hangs)
            if clock.now() >= call.deadline_at:
                return outcome

    outcome = await deadline(call, again_and_again)
    durations = [event.duration_s for event in recorder if isinstance(event, AttemptEnded)]
    assert durations == pytest.approx([0.4, 0.4, 0.2])
    assert clock.now() == pytest.approx(1001)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.DEADLINE_EXCEEDED
    assert outcome.error.upstream == "shop"
    assert "during attempt 3" in outcome.error.message
    assert clock.pending == 0


async def test_a_stream_that_delivered_until_the_deadline_failed_nobody():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock)

    async def watch(call: Call) -> Outcome:
        await call.send(b"1")
        await clock.sleep(30)
        return SUCCESS

    outcome = await interceptor(new_call(clock, timeout_s=1), watch)
    assert outcome.kind is Kind.IGNORED


async def test_an_upstream_is_not_blamed_while_the_callers_stream_stands_still():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock)

    async def waits(call: Call) -> Outcome:
        call.awaits_caller = True
        await clock.sleep(30)
        return SUCCESS

    outcome = await interceptor(new_call(clock, timeout_s=1), waits)
    assert outcome.kind is Kind.IGNORED


async def test_attempts_are_counted_and_told():
    clock = FakeClock()
    interceptor, recorder = build(clock)
    call = new_call(clock)

    async def fails(_call: Call) -> Outcome:
        return failed(answered(503))

    await interceptor(call, fails)
    await interceptor(call, fails)
    assert call.attempts == 2
    assert [event.attempt for event in recorder if isinstance(event, AttemptEnded)] == [1, 2]


async def test_an_abandoned_attempt_is_told_without_an_outcome():
    clock = FakeClock()
    interceptor, recorder = build(clock, timeout_s=5)

    async def hangs(_call: Call) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    task = asyncio.ensure_future(interceptor(new_call(clock), hangs))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (ended,) = recorder
    assert isinstance(ended, AttemptEnded)
    assert ended.outcome is None
    assert clock.pending == 0
