import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import new_call

from gateway.core.criticality import Criticality
from gateway.core.errors import CallError, Reason
from gateway.core.status import Code
from gateway.interceptors.concurrency import (
    AdaptiveOptions,
    BulkheadOptions,
    ConcurrencyLimiter,
)
from gateway.interceptors.concurrency.places import Verdict


def limiter(clock: FakeClock, **options) -> ConcurrencyLimiter:
    return ConcurrencyLimiter("shop", BulkheadOptions(**options), None, clock)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def waits(shared: ConcurrencyLimiter, clock: FakeClock, **more):
    criticality = more.pop("criticality", Criticality.CRITICAL)
    call = new_call(clock, **more)
    call.criticality = criticality
    return asyncio.ensure_future(shared.acquire(call, clock.now()))


def give_back(shared: ConcurrencyLimiter, clock: FakeClock, ticket: int = 0) -> None:
    shared.release("get", 0.1, Verdict.OK, clock.now(), ticket)


async def test_who_waits_is_handed_the_place_that_becomes_free():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1)
    assert shared.try_acquire()
    first, second = waits(shared, clock), waits(shared, clock)
    await settle()
    assert shared.queued == 2
    give_back(shared, clock)
    await settle()
    assert first.result() == shared.generation
    assert not second.done()
    give_back(shared, clock, first.result())
    assert await second == 0
    assert clock.pending == 0


async def test_a_place_that_is_free_is_taken_without_waiting():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1)
    assert await shared.acquire(new_call(clock), clock.now()) == 0
    assert shared.in_flight == 1


async def test_the_longest_wait_ends_in_a_refusal_with_numbers():
    clock = FakeClock(auto_jump=True)
    shared = limiter(clock, max_in_flight=1, max_wait_s=0.5)
    shared.try_acquire()
    error = await shared.acquire(new_call(clock), clock.now())
    assert isinstance(error, CallError)
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert error.reason is Reason.CONCURRENCY_LIMIT
    assert error.upstream == "shop"
    assert error.retry_after_s == 0.5
    assert error.message == (
        "upstream 'shop' has 1 attempts under way, its limit is 1, and none became free in 0.5 s"
    )
    assert clock.now() == pytest.approx(1000.5)
    assert (shared.queued, clock.pending) == (0, 0)


async def test_a_full_line_refuses_at_once():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1, max_queued=0)
    shared.try_acquire()
    error = await shared.acquire(new_call(clock), clock.now())
    assert isinstance(error, CallError)
    assert "and 0 wait already" in error.message


async def test_the_less_critical_makes_room_and_is_told_so():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1, max_queued=1)
    shared.try_acquire()
    low = waits(shared, clock, criticality=Criticality.SHEDDABLE)
    await settle()
    high = waits(shared, clock)
    await settle()
    assert "more critical call took its room" in low.result().message
    give_back(shared, clock)
    assert await high == 0
    assert clock.pending == 0


async def test_an_attempt_that_cannot_end_in_time_does_not_wait():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1)
    shared.try_acquire()
    name = new_call(clock).method.full_name
    shared.release(name, 0.4, Verdict.OK, clock.now(), 0)
    shared.try_acquire()
    error = await shared.acquire(new_call(clock, timeout_s=0.3), clock.now())
    assert isinstance(error, CallError)
    assert "the 0.3 s left to this one are less than the 0.4 s" in error.message


async def test_a_cancelled_wait_leaves_the_line():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1)
    shared.try_acquire()
    gone, stays = waits(shared, clock), waits(shared, clock)
    await settle()
    gone.cancel()
    await settle()
    assert shared.queued == 1
    give_back(shared, clock)
    assert await stays == 0
    assert (shared.in_flight, clock.pending) == (1, 0)


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_place_handed_to_a_cancelled_wait_goes_to_the_next(cancel_first):
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1)
    shared.try_acquire()
    gone, stays = waits(shared, clock), waits(shared, clock)
    await settle()
    if cancel_first:
        gone.cancel()
    give_back(shared, clock)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await stays == 0
    assert (shared.in_flight, shared.queued, clock.pending) == (1, 0, 0)


async def test_a_refusal_of_a_cancelled_wait_takes_no_place():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1, max_wait_s=1.0)
    shared.try_acquire()
    gone = waits(shared, clock)
    await settle()
    clock.advance(1.0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert (shared.in_flight, shared.queued) == (1, 0)


async def test_a_restart_lets_one_of_those_who_wait_go_on():
    clock = FakeClock()
    shared = ConcurrencyLimiter("shop", None, AdaptiveOptions(), clock)
    for _ in range(32):
        assert shared.try_acquire()
    first, second = waits(shared, clock), waits(shared, clock)
    await settle()
    shared.restart(clock.now())
    await settle()
    assert first.result() == shared.generation == 1
    assert not second.done()
    second.cancel()
    await settle()


async def test_the_timer_of_who_waits_lets_a_look_through_and_goes_with_the_wait():
    clock = FakeClock()
    shared = ConcurrencyLimiter("shop", None, AdaptiveOptions(initial_limit=4), clock)
    while shared.try_acquire():
        pass
    first, second = waits(shared, clock), waits(shared, clock)
    await settle()
    clock.advance(0.49)
    await settle()
    assert not first.done()
    clock.advance(0.01)
    await settle()
    assert first.result() == shared.generation
    assert not second.done()
    assert clock.pending == 1
    clock.advance(0.5)
    await settle()
    assert isinstance(second.result(), CallError)  # its second is over
    assert (shared.in_flight, clock.pending) == (5, 0)


async def test_a_wait_that_is_cancelled_after_a_look_has_no_timer():
    clock = FakeClock()
    shared = ConcurrencyLimiter("shop", None, AdaptiveOptions(initial_limit=4), clock)
    while shared.try_acquire():
        pass
    first, second = waits(shared, clock), waits(shared, clock)
    await settle()
    clock.advance(0.5)
    second.cancel()
    await settle()
    assert first.done()
    assert (shared.in_flight, shared.queued, clock.pending) == (5, 0, 0)


async def test_nobody_is_refused_milliseconds_before_a_deadline_where_nothing_is_known():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1)
    shared.try_acquire()
    waiting = waits(shared, clock, timeout_s=0.3)
    await settle()
    clock.advance(0.3)
    await settle()
    assert not waiting.done()
    waiting.cancel()
    await settle()
    assert clock.pending == 0


async def test_nothing_is_left_of_ten_thousand_cancelled_waits():
    clock = FakeClock()
    shared = limiter(clock, max_in_flight=1, max_queued=100)
    shared.try_acquire()
    for _ in range(100):
        tasks = [waits(shared, clock) for _ in range(100)]
        await asyncio.sleep(0)
        assert shared.queued == 100
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert (shared.in_flight, shared.queued, clock.pending) == (1, 0, 0)
