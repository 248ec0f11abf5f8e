import asyncio

import pytest
from compose.v1.compose_pb2 import GetRequest, Order
from fakes.clock import FakeClock
from unit.compose.calls import Caller, Method, failing

from gateway.compose.part import Part, ends_before
from gateway.core.call import Call
from gateway.core.errors import Origin, Reason, Sent
from gateway.core.events import Events
from gateway.core.outcome import SUCCESS, Outcome
from gateway.core.status import Code
from gateway.interceptors.attempt import AttemptInterceptor, AttemptOptions


@pytest.mark.parametrize(
    ("remaining_s", "reserve_s", "kept_s"),
    [
        (1.0, None, 0.05),
        (10.0, None, 0.1),  # never more
        (10.0, 1.0, 1.0),
        (1.0, 3.0, 0.5),  # never more than half
        (0.0, None, 0.0),
    ],
)
def test_a_little_is_kept_to_put_the_answer_together(remaining_s, reserve_s, kept_s):
    ends_at = ends_before(100.0, 100.0 + remaining_s, reserve_s)
    assert ends_at == pytest.approx(100.0 + remaining_s - kept_s)


def test_a_call_without_an_end_has_parts_without_one():
    assert ends_before(100.0, float("inf"), None) == float("inf")
    assert ends_before(100.0, float("inf"), 1.0) == float("inf")


async def test_the_answer_is_kept_and_not_sent():
    clock = FakeClock()
    caller = Caller(clock, GetRequest(id="7"))
    method = Method(clock, "Get", Order(id="7"))
    part = Part(caller.call, method.entry.method, caller.call.message, clock.now() + 1)
    assert await part.run(method.entry.run, clock) is SUCCESS
    assert Order.FromString(part.answer) == Order(id="7")
    assert caller.answers == []
    assert caller.call.attempts == part.attempts == 1
    assert clock.pending == 0


async def test_it_ends_by_itself_at_the_soonest_of_its_ends():
    clock = FakeClock(auto_jump=True)
    for timeout_s, ends_after_s, took_s in ((2.0, 0.5, 0.5), (2.0, 9.0, 1.997)):
        caller = Caller(clock, GetRequest(), timeout_s)
        method = Method(clock, "Get", Order(), after_s=60)
        began_at = clock.now()
        part = Part(caller.call, method.entry.method, GetRequest(), began_at + ends_after_s)
        outcome = await part.run(method.entry.run, clock)
        assert clock.now() == pytest.approx(began_at + took_s)
        error = outcome.error
        assert error is not None
        assert (error.code, error.reason) == (Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED)
        assert error.sent is Sent.UNKNOWN
        assert "compose.v1.Back/Get did not answer within" in error.message
        assert method.cancelled == 1


async def test_an_attempt_under_way_ends_by_its_own_words_and_one_timer():
    clock = FakeClock(auto_jump=True)
    caller = Caller(clock, GetRequest())
    attempt = AttemptInterceptor(AttemptOptions(upstream="shop"), clock, Events())
    pending = []

    async def target(_call: Call) -> Outcome:
        pending.append(clock.pending)
        await clock.sleep(60)
        return SUCCESS

    async def run(call: Call) -> Outcome:
        return await attempt(call, target)

    method = Method(clock, "Get")
    part = Part(caller.call, method.entry.method, GetRequest(), clock.now() + 1)
    outcome = await part.run(run, clock)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.ATTEMPT_TIMEOUT
    assert outcome.error.origin is Origin.UPSTREAM
    assert pending == [1]


async def test_no_time_left_calls_nobody():
    clock = FakeClock()
    caller = Caller(clock, GetRequest(), 0.002)
    method = Method(clock, "Get", Order())
    part = Part(caller.call, method.entry.method, GetRequest(), clock.now() + 1)
    outcome = await part.run(method.entry.run, clock)
    assert outcome.error is not None
    assert outcome.error.code is Code.DEADLINE_EXCEEDED
    assert outcome.error.sent is Sent.NOT_SENT
    assert method.asked == []


async def test_an_error_that_is_raised_is_a_failure():
    clock = FakeClock()
    caller = Caller(clock, GetRequest())
    error = failing()

    async def raises(_call: Call) -> Outcome:
        raise error

    part = Part(caller.call, caller.call.method, GetRequest(), clock.now() + 1)
    assert (await part.run(raises, clock)).error is error


async def test_a_cancellation_is_no_failure():
    clock = FakeClock()
    caller = Caller(clock, GetRequest())
    method = Method(clock, "Get", Order(), after_s=60)
    part = Part(caller.call, method.entry.method, GetRequest(), clock.now() + 1)
    task = asyncio.create_task(part.run(method.entry.run, clock))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert method.cancelled == 1
    assert clock.pending == 0
