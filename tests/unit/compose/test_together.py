import asyncio

import pytest

from gateway.compose.together import run_together


class Task:
    """Waits until told; says how it ended."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.end = ""
        self.holds = False

    async def run(self, raises: Exception | None = None) -> None:
        try:
            await self.go.wait()
            if raises is not None:
                raise raises
            self.end = "done"
        except asyncio.CancelledError:
            if self.holds:
                self.go.clear()
                await self.go.wait()
            self.end = "cancelled"
            raise


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_lasts_until_all_have_ended():
    one, two = Task(), Task()
    both = asyncio.create_task(run_together([one.run(), two.run()]))
    two.go.set()
    await turns()
    assert (one.end, two.end, both.done()) == ("", "done", False)
    one.go.set()
    await both
    assert one.end == "done"


async def test_nothing_to_run_is_over_at_once():
    await run_together([])


async def test_the_first_that_raises_ends_the_others():
    one, two = Task(), Task()
    both = asyncio.create_task(run_together([one.run(), two.run(ValueError("no"))]))
    await turns()
    two.go.set()
    with pytest.raises(ValueError, match="no"):
        await both
    assert one.end == "cancelled"


async def test_a_cancellation_reaches_all_and_goes_on():
    one, two = Task(), Task()
    both = asyncio.create_task(run_together([one.run(), two.run()]))
    await turns()
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert (one.end, two.end) == ("cancelled", "cancelled")


async def test_nothing_outlives_it_however_often_it_is_cancelled():
    one = Task()
    one.holds = True
    both = asyncio.create_task(run_together([one.run()]))
    await turns()
    for _ in range(3):
        both.cancel()
        await turns()
    assert not both.done()
    one.go.set()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert one.end == "cancelled"


async def test_a_cancellation_while_the_others_are_ended_is_not_lost():
    one, two = Task(), Task()
    one.holds = True
    both = asyncio.create_task(run_together([one.run(), two.run(ValueError())]))
    await turns()
    two.go.set()
    await turns()
    both.cancel()
    await turns()
    one.go.set()
    with pytest.raises(asyncio.CancelledError):
        await both


async def test_one_that_is_cancelled_from_within_cancels_the_call():
    async def gives_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_together([gives_up()])
