import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from support.calls import new_call

from gateway.core.call import Call
from gateway.core.errors import CallError, Origin, Reason, refused
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.deadline import (
    DeadlineInterceptor,
    DeadlineOptions,
    effective_deadline,
)

OPTIONS = DeadlineOptions(default_s=15, maximum_s=60, margin_s=0.020)


@pytest.mark.parametrize(
    ("given_s", "effective_s"),
    [
        (None, 15),  # the default
        (0.9, 0.853),  # 20 ms before the caller's, and 3 % that it may have told too much
        (0.2, 0.184),  # 5 % of it, which is less, and the 3 %
        (1.0, 0.94),  # and 10 ms that the caller may have rounded up by
        (59.0, 58.63),
        (600.0, 60.0),  # the method's maximum needs no margin
        (0.0, 0.0),
    ],
)
def test_the_deadline_is_the_smaller_of_the_callers_and_the_maximum(given_s, effective_s):
    client = None if given_s is None else 100.0 + given_s
    assert effective_deadline(OPTIONS, 100.0, client) == pytest.approx(100.0 + effective_s)


def test_a_default_longer_than_the_maximum_is_cut():
    options = DeadlineOptions(default_s=100, maximum_s=60)
    assert effective_deadline(options, 0.0, None) == 60


@given(given_s=st.floats(-10, 1e6), maximum_s=st.floats(0.001, 1e5), margin_s=st.floats(0, 10))
def test_the_deadline_never_passes_the_callers_nor_the_maximum(given_s, maximum_s, margin_s):
    options = DeadlineOptions(maximum_s=maximum_s, margin_s=margin_s)
    when = effective_deadline(options, 0.0, given_s)
    assert when <= max(given_s, given_s * 0.95)
    assert when <= maximum_s
    assert when >= min(given_s, given_s * 0.90, maximum_s) - 1e-9


async def test_running_out_is_deadline_exceeded():
    clock = FakeClock(auto_jump=True)
    call = new_call(clock, timeout_s=1)

    async def slow(call: Call) -> Outcome:
        call.attempts += 1
        await clock.sleep(30)
        return SUCCESS

    outcome = await DeadlineInterceptor(OPTIONS, clock)(call, slow)
    assert outcome.kind is Kind.IGNORED
    assert outcome.error is not None
    assert outcome.error.code is Code.DEADLINE_EXCEEDED
    assert outcome.error.reason is Reason.DEADLINE_EXCEEDED
    assert "during the first attempt" in outcome.error.message
    assert clock.now() == pytest.approx(1000.94)
    assert clock.pending == 0


@pytest.mark.parametrize(("timeout_s", "ends_at"), [(None, 1015.0), (2.0, 1001.91)])
async def test_the_deadline_is_fixed_on_arrival_and_what_came_before_counts(timeout_s, ends_at):
    clock = FakeClock(auto_jump=True)
    call = new_call(clock, timeout_s=timeout_s)
    clock.advance(0.5)  # held before it got here
    clock.wall = lambda: 0.0  # type: ignore[method-assign]  # and somebody set the wall clock

    async def slow(call: Call) -> Outcome:
        assert call.deadline_at == pytest.approx(ends_at)
        await clock.sleep(30)
        return SUCCESS

    outcome = await DeadlineInterceptor(OPTIONS, clock)(call, slow)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.DEADLINE_EXCEEDED
    assert clock.now() == pytest.approx(ends_at)


async def test_a_call_that_arrives_too_late_reaches_nobody():
    clock = FakeClock()
    call = new_call(clock, timeout_s=0)
    reached = []

    async def never(_call: Call) -> Outcome:
        reached.append(1)
        return SUCCESS

    outcome = await DeadlineInterceptor(OPTIONS, clock)(call, never)
    assert outcome.error is not None
    assert outcome.error.code is Code.DEADLINE_EXCEEDED
    assert reached == []


async def test_an_attempt_timeout_at_the_deadline_is_told_as_the_deadline():
    clock = FakeClock()
    call = new_call(clock, timeout_s=1)

    async def timed_out(_call: Call) -> Outcome:
        clock._now += 1  # the attempt's own timer was a hair earlier than the deadline's
        return failed(
            CallError(Code.DEADLINE_EXCEEDED, Reason.ATTEMPT_TIMEOUT, "x", origin=Origin.UPSTREAM)
        )

    outcome = await DeadlineInterceptor(OPTIONS, clock)(call, timed_out)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.DEADLINE_EXCEEDED


@pytest.mark.parametrize("reason", [Reason.CONCURRENCY_LIMIT, Reason.PACED, Reason.SERIALIZED])
@pytest.mark.parametrize(("late_s", "told_as_the_deadline"), [(0.93, False), (0.95, True)])
async def test_a_queue_that_refuses_at_the_deadline_is_told_as_the_deadline(
    reason, late_s, told_as_the_deadline
):
    clock = FakeClock()
    call = new_call(clock, timeout_s=1)
    error = refused(Code.RESOURCE_EXHAUSTED, reason, "no room", retry_after_s=1)

    async def refuses(_call: Call) -> Outcome:
        clock._now += late_s  # the queue's own timer was a hair earlier than the deadline's
        return failed(error)

    outcome = await DeadlineInterceptor(OPTIONS, clock)(call, refuses)
    assert outcome.error is not None
    assert (outcome.error.code is Code.DEADLINE_EXCEEDED) is told_as_the_deadline
    assert (outcome.error is error) is not told_as_the_deadline


async def test_an_answer_of_the_upstream_at_the_deadline_keeps_its_own_words():
    clock = FakeClock()
    error = CallError(Code.NOT_FOUND, Reason.UPSTREAM_STATUS, "no", origin=Origin.UPSTREAM)

    async def late(_call: Call) -> Outcome:
        clock._now += 1
        return failed(error)

    outcome = await DeadlineInterceptor(OPTIONS, clock)(new_call(clock, timeout_s=1), late)
    assert outcome.error is error


async def test_other_failures_keep_their_own_words():
    clock = FakeClock()
    error = CallError(Code.NOT_FOUND, Reason.UPSTREAM_STATUS, "no", origin=Origin.UPSTREAM)

    async def fails(_call: Call) -> Outcome:
        return failed(error)

    outcome = await DeadlineInterceptor(OPTIONS, clock)(new_call(clock), fails)
    assert outcome.error is error
    assert clock.pending == 0
