import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import AttemptEnded, Events
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.downstream.errors import no_place, slow_to_connect
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


class Served:
    """Answers after so long."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.takes_s = 0.05

    async def __call__(self, _call: Call) -> Outcome:
        await self.clock.sleep(self.takes_s)
        return SUCCESS


@pytest.mark.parametrize(
    ("timeout_s", "later_s", "kind"),
    [
        (0.02, 0.0, Kind.IGNORED),
        (0.049, 59.0, Kind.IGNORED),
        (0.06, 0.0, Kind.FAILURE),
        (0.02, 61.0, Kind.FAILURE),  # what it usually takes is forgotten
    ],
)
async def test_a_deadline_shorter_than_the_usual_time_fails_nobody(timeout_s, later_s, kind):
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock, timeout_s=5)
    served = Served(clock)
    for _ in range(3):
        assert await interceptor(new_call(clock, timeout_s=1), served) is SUCCESS
    await clock.sleep(later_s)
    served.takes_s = 30.0
    outcome = await interceptor(new_call(clock, timeout_s=timeout_s), served)
    assert outcome.kind is kind
    assert outcome.error is not None
    assert (outcome.error.reason, outcome.error.sent) == (Reason.ATTEMPT_TIMEOUT, Sent.UNKNOWN)


async def test_the_methods_own_timeout_counts_however_short():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock, timeout_s=0.06)
    served = Served(clock)
    assert await interceptor(new_call(clock, timeout_s=1), served) is SUCCESS
    interceptor._options = AttemptOptions(timeout_s=0.02, upstream="shop")
    outcome = await interceptor(new_call(clock, timeout_s=1), served)
    assert outcome.kind is Kind.FAILURE


async def test_the_usual_time_is_a_slow_mean():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock)
    served = Served(clock)
    for served.takes_s in (0.016, 0.032):
        await interceptor(new_call(clock, timeout_s=1), served)
    assert interceptor._usual_s == pytest.approx(0.017)
    for _ in range(200):
        await interceptor(new_call(clock, timeout_s=1), served)
    assert interceptor._usual_s == pytest.approx(0.032, rel=0.01)


async def test_how_long_streams_last_is_not_usual():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock)
    served = Served(clock)
    for timeout_s in (1.0, 0.02):
        call = new_call(clock, timeout_s=timeout_s)
        call.method = MethodInfo("a.B", "Watch", server_streaming=True)
        outcome = await interceptor(call, served)
    assert outcome.kind is Kind.FAILURE


def waits_for(error: CallError, clock: FakeClock):
    async def target(_call: Call) -> Outcome:
        try:
            await clock.sleep(30)
        except asyncio.CancelledError as cancelled:
            cancelled.__cause__ = error
            raise
        return SUCCESS

    return target


@pytest.mark.parametrize(
    ("timeout_s", "code", "reason"),
    [
        (5.0, Code.RESOURCE_EXHAUSTED, Reason.CONCURRENCY_LIMIT),
        (1.0, Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
    ],
)
@pytest.mark.parametrize("with_deadline", [False, True])
async def test_a_wait_for_the_gateways_own_connections_is_no_failure_of_the_upstream(
    timeout_s, code, reason, with_deadline
):
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock, timeout_s=2)
    target = waits_for(no_place("shop", 4), clock)

    async def inner(call: Call) -> Outcome:
        return await interceptor(call, target)

    call = new_call(clock, timeout_s=timeout_s)
    deadline = DeadlineInterceptor(DeadlineOptions(margin_s=0.0), clock)
    outcome = await (deadline(call, inner) if with_deadline else inner(call))
    error = outcome.error
    assert error is not None
    assert outcome.kind is Kind.IGNORED
    assert (error.code, error.reason, error.sent) == (code, reason, Sent.NOT_SENT)
    assert error.origin is Origin.GATEWAY
    assert "pool.max_connections" in error.message


async def test_an_attempt_that_was_still_connecting_at_its_timeout_could_not_reach_the_upstream():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock, timeout_s=2)
    error = slow_to_connect("shop")
    outcome = await interceptor(new_call(clock, timeout_s=9), waits_for(error, clock))
    assert outcome == Outcome(Kind.FAILURE, error)


async def test_a_deadline_that_leaves_no_time_to_connect_fails_nobody():
    clock = FakeClock(auto_jump=True)
    interceptor, _ = build(clock, timeout_s=2)
    target = waits_for(slow_to_connect("shop"), clock)
    outcome = await interceptor(new_call(clock, timeout_s=1), target)
    assert outcome.kind is Kind.IGNORED
    assert outcome.error is not None
    assert outcome.error.sent is Sent.NOT_SENT
    assert outcome.error.reason is Reason.ATTEMPT_TIMEOUT


async def test_a_loop_that_is_late_loses_no_timeout_next_to_the_deadline():
    clock = FakeClock()
    interceptor, recorder = build(clock, timeout_s=0.20)
    deadline = DeadlineInterceptor(DeadlineOptions(default_s=0.21), clock)

    async def hangs(_call: Call) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def inner(call: Call) -> Outcome:
        return await interceptor(call, hangs)

    task = asyncio.create_task(deadline(new_call(clock), inner))
    await asyncio.sleep(0)
    clock.advance(0.3)  # both timers at once
    outcome = await task
    assert outcome.error is not None
    assert (outcome.error.reason, outcome.error.upstream) == (Reason.DEADLINE_EXCEEDED, "shop")
    (ended,) = recorder
    assert isinstance(ended, AttemptEnded)
    assert ended.outcome is not None
    assert ended.outcome.kind is Kind.FAILURE
