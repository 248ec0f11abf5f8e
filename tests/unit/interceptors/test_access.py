import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call

from gateway.core.call import Call
from gateway.core.errors import CallError
from gateway.core.events import CallEnded, Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.access import AccessInterceptor


async def cancelled_after(clock: FakeClock, waited_s: float, timeout_s: float | None) -> CallEnded:
    recorder = Recorder()

    async def hangs(_call: Call) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    call = new_call(clock, timeout_s=timeout_s)
    task = asyncio.ensure_future(AccessInterceptor(clock, Events([recorder]))(call, hangs))
    await asyncio.sleep(0)
    clock.advance(waited_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (ended,) = recorder
    assert isinstance(ended, CallEnded)
    return ended


async def test_a_cancel_before_the_deadline_is_recorded_as_cancelled():
    ended = await cancelled_after(FakeClock(), 0.5, timeout_s=1)
    assert ended.code is Code.CANCELLED
    assert ended.outcome is None
    assert ended.duration_s == 0.5


async def test_a_cancel_without_any_deadline_is_recorded_as_cancelled():
    assert (await cancelled_after(FakeClock(), 500, timeout_s=None)).code is Code.CANCELLED


@pytest.mark.parametrize("waited_s", [1.0, 1.1])
async def test_a_cancel_at_or_after_the_deadline_is_recorded_as_the_deadline(waited_s):
    ended = await cancelled_after(FakeClock(), waited_s, timeout_s=1)
    assert ended.code is Code.DEADLINE_EXCEEDED


async def test_every_end_is_told_once():
    clock = FakeClock()
    recorder = Recorder()
    interceptor = AccessInterceptor(clock, Events([recorder]))

    async def succeeds(_call: Call) -> Outcome:
        return SUCCESS

    async def fails(_call: Call) -> Outcome:
        return failed(answered(503))

    async def breaks(_call: Call) -> Outcome:
        raise ZeroDivisionError

    await interceptor(new_call(clock), succeeds)
    await interceptor(new_call(clock), fails)
    with pytest.raises(ZeroDivisionError):
        await interceptor(new_call(clock), breaks)
    codes = [event.code for event in recorder if isinstance(event, CallEnded)]
    assert codes == [Code.OK, Code.UNAVAILABLE, Code.INTERNAL]


async def test_a_failure_is_named_once_when_the_call_is_over():
    clock = FakeClock()
    recorder = Recorder()
    order: list[str] = []

    def name_error(_call: Call, error: CallError) -> None:
        order.append("named")
        error.code = Code.FAILED_PRECONDITION

    async def fails(_call: Call) -> Outcome:
        order.append("ended")
        return failed(answered(503))

    interceptor = AccessInterceptor(clock, Events([recorder]), name_error)
    outcome = await interceptor(new_call(clock), fails)
    assert order == ["ended", "named"]
    assert outcome.error is not None
    assert outcome.error.code is Code.FAILED_PRECONDITION
    (ended,) = recorder
    assert isinstance(ended, CallEnded)
    assert ended.code is Code.FAILED_PRECONDITION


async def test_the_failure_that_others_hold_stays_what_happened():
    clock = FakeClock()
    shared = answered(503, 5)
    happened = failed(shared)

    def name_error(_call: Call, error: CallError) -> None:
        error.code, error.retry_after_s = Code.FAILED_PRECONDITION, None

    async def fails(_call: Call) -> Outcome:
        return happened

    recorder = Recorder()
    interceptor = AccessInterceptor(clock, Events([recorder]), name_error)
    for _ in range(2):
        outcome = await interceptor(new_call(clock), fails)
        assert outcome.error is not None
        assert outcome.error.code is Code.FAILED_PRECONDITION
        assert outcome.kind is happened.kind
    assert (shared.code, shared.retry_after_s) == (Code.UNAVAILABLE, 5)
    assert [event.outcome.error is shared for event in recorder] == [False, False]


async def test_a_failure_that_nobody_names_is_told_as_it_is():
    clock = FakeClock()
    happened = failed(answered(503))

    async def fails(_call: Call) -> Outcome:
        return happened

    assert await AccessInterceptor(clock, Events())(new_call(clock), fails) is happened


async def test_a_success_is_named_by_nobody():
    clock = FakeClock()
    named: list[CallError] = []

    async def succeeds(_call: Call) -> Outcome:
        return SUCCESS

    interceptor = AccessInterceptor(clock, Events(), lambda _call, error: named.append(error))
    assert await interceptor(new_call(clock), succeeds) is SUCCESS
    assert named == []
