import asyncio

import pytest
from fakes.clock import FakeClock

from gateway.core.deadline import Expired, Expiry


async def test_a_block_ends_at_its_moment():
    clock = FakeClock(auto_jump=True)
    begun = clock.now()
    with pytest.raises(Expired), Expiry(clock, begun + 3):
        await clock.sleep(10)
    assert clock.now() == begun + 3
    assert clock.pending == 0


async def test_a_block_that_ends_by_itself_disarms_its_timer():
    clock = FakeClock(auto_jump=True)
    with Expiry(clock, clock.now() + 3):
        await clock.sleep(1)
    assert clock.pending == 0


async def test_infinity_arms_no_timer():
    clock = FakeClock()
    with Expiry(clock, float("inf")):
        assert clock.pending == 0


async def test_a_cancellation_from_elsewhere_stays_a_cancellation():
    clock = FakeClock()

    async def work() -> None:
        with Expiry(clock, clock.now() + 3):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.pending == 0


async def test_a_cancellation_at_the_same_time_wins():
    clock = FakeClock()

    async def work() -> None:
        with Expiry(clock, clock.now() + 3):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    clock.advance(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_expiries_is_not_mistaken_for_the_outer():
    clock = FakeClock(auto_jump=True)
    caught = []
    with Expiry(clock, clock.now() + 10):
        try:
            with Expiry(clock, clock.now() + 1):
                await clock.sleep(5)
        except Expired:
            caught.append(clock.now())
        await clock.sleep(2)
    assert caught == [1001.0]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_what_stands_inside_may_claim_the_ending():
    clock = FakeClock()
    caught = []

    async def work() -> None:
        with Expiry(clock, clock.now() + 3) as expiry:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                caught.append(expiry.claim())
            caught.append(expiry.claim())
        task = asyncio.current_task()
        assert task is not None
        caught.append(task.cancelling())

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    clock.advance(3)
    await task
    assert caught == [True, False, 0]
    assert clock.pending == 0


@pytest.mark.parametrize("after_s", [1, 3])
async def test_a_cancellation_from_elsewhere_cannot_be_claimed(after_s):
    clock = FakeClock()
    claimed = []

    async def work() -> None:
        with Expiry(clock, clock.now() + 3) as expiry:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                claimed.append(expiry.claim())
                raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    clock.advance(after_s)
    task.cancel()  # before the moment, and in the same turn
    with pytest.raises(asyncio.CancelledError):
        await task
    assert claimed == [False]


async def test_an_error_of_the_block_passes_through():
    clock = FakeClock()
    with pytest.raises(KeyError), Expiry(clock, clock.now() + 3):
        raise KeyError
