"""A store of answers that may fail: each rule of state/cache/guarded.py."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder

from gateway.core.events import Events, StoreChanged
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.state.answers import ALL, Entry, Found, Marks
from gateway.state.breaker import StoreBreakerOptions
from gateway.state.cache import guarded
from gateway.state.cache.answers import CachedAnswers
from gateway.state.cache.guarded import GuardedAnswers
from gateway.state.cache.memory import BoundedMemoryCache


class Shaky(CachedAnswers):
    """Fails, or hangs, when told to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(BoundedMemoryCache(clock, 100_000, lambda _key, _value: 100))
        self.fails = self.hangs = False
        self.asked = 0
        self.old: list[tuple[str, ...]] = []

    async def _be(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise ConnectionError("no")

    async def read(self, key: bytes, tags: Sequence[str]) -> Found:
        await self._be()
        return await super().read(key, tags)

    async def write(self, key: bytes, tags: Sequence[str], entry: Entry) -> None:
        await self._be()
        await super().write(key, tags, entry)

    async def marks(self, tags: Sequence[str]) -> Marks:
        await self._be()
        return await super().marks(tags)

    async def invalidate(self, tags: Sequence[str]) -> None:
        await self._be()
        self.old.append(tuple(tags))
        await super().invalidate(tags)

    async def forget(self, key: bytes) -> None:
        await self._be()
        await super().forget(key)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.store = Shaky(self.clock)
        self.guarded = GuardedAnswers(
            self.store,
            self.clock,
            Events([self.events]),
            0.050,
            StoreBreakerOptions(failures=3, window_s=10, open_s=1),
        )

    async def later(self, seconds: float) -> None:
        """Let time pass, and what waits for it run."""
        self.clock.advance(seconds)
        for _ in range(20):
            await asyncio.sleep(0)

    async def kept(self) -> None:
        found = await self.guarded.read(b"k", ("a",))
        await self.guarded.write(
            b"k", ("a",), Entry(Landing(SUCCESS, b"x"), 0, 60, marks=found.marks)
        )

    async def has(self) -> bool:
        return (await self.guarded.read(b"k", ("a",))).entry is not None


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.guarded.close()


async def test_a_guard_that_is_started_begins_with_a_probe(world: World) -> None:
    world.store.hangs = True
    start = asyncio.get_running_loop().create_task(world.guarded.start())
    await world.later(0)
    await world.later(1.9)
    assert not start.done(), "a probe has more time than a call"
    assert not await world.has()
    await world.later(0.1)
    assert start.done()
    world.store.hangs = False
    await world.later(5)
    await world.kept()
    assert await world.has()
    told = [(e.available, e.why) for e in world.events if isinstance(e, StoreChanged)]
    assert told == [(False, "it does not answer in time"), (True, "it answers")]


async def test_an_error_is_a_miss() -> None:
    world = World()
    await world.kept()
    assert await world.has()
    world.store.fails = True
    assert await world.guarded.read(b"k", ("a",)) == Found(None, ())
    assert await world.guarded.marks(("a",)) == ()
    await world.guarded.write(b"k", (), Entry(Landing(SUCCESS), 0, 1, marks=("x",)))


async def test_a_question_without_an_answer_in_time_is_a_miss() -> None:
    world = World()
    await world.kept()
    world.store.hangs = True
    task = asyncio.get_running_loop().create_task(world.guarded.read(b"k", ("a",)))
    await asyncio.sleep(0)
    world.clock.advance(0.049)
    await asyncio.sleep(0)
    assert not task.done()
    world.clock.advance(0.001)
    assert await task == Found(None, ())


async def test_failures_open_its_breaker_and_a_probe_in_the_background_closes_it(
    world: World,
) -> None:
    await world.kept()
    world.store.fails = True
    for _ in range(10):
        await world.has()
    assert world.store.asked == 2 + 3
    world.store.fails = False
    assert not await world.has()
    await world.later(1)
    assert await world.has()
    told = [(e.available, e.why) for e in world.events if isinstance(e, StoreChanged)]
    assert told == [(False, "it fails with ConnectionError"), (True, "it answers")]


async def test_what_was_read_without_the_store_is_not_kept() -> None:
    world = World()
    world.store.fails = True
    found = await world.guarded.read(b"k", ("a",))
    world.store.fails = False
    await world.guarded.write(b"k", ("a",), Entry(Landing(SUCCESS), 0, 60, marks=found.marks))
    assert not await world.has()


async def test_an_owed_invalidation_is_written_before_anything_is_read() -> None:
    world = World()
    await world.kept()
    world.store.fails = True
    await world.guarded.invalidate(("a",))
    assert world.guarded.owed == 1
    world.store.fails = False
    assert not await world.has()
    assert (world.guarded.owed, world.store.old) == (0, [("a",)])


async def test_while_it_cannot_be_written_there_is_nothing() -> None:
    world = World()
    await world.kept()
    world.store.fails = True
    await world.guarded.invalidate(("other",))
    assert await world.guarded.marks(("a",)) == ()
    assert not await world.has()
    assert world.guarded.owed == 1


async def test_a_tag_owed_once_more_while_it_is_written_is_written_once_more() -> None:
    world = World()
    gate = asyncio.Event()
    write = world.store.invalidate

    async def slow(tags: Sequence[str]) -> None:
        await gate.wait()
        await write(tags)

    world.store.invalidate = slow  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    one = loop.create_task(world.guarded.invalidate(("a",)))
    await asyncio.sleep(0)
    two = loop.create_task(world.guarded.invalidate(("a",)))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(one, two)
    assert world.store.old == [("a",), ("a",)]


async def test_too_many_owed_tags_are_all(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(guarded, "MAX_OWED", 5)
    world.store.fails = True
    for number in range(6):
        await world.guarded.invalidate((f"t{number}",))
    assert world.guarded.owed == 1
    world.store.fails = False
    await world.later(60)
    await world.guarded.marks(())
    assert world.store.old == [(ALL,)]


async def test_a_cancelled_caller_is_no_failure_of_the_store() -> None:
    world = World()
    world.store.hangs = True
    for _ in range(5):
        task = asyncio.get_running_loop().create_task(world.guarded.read(b"k", ()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
    world.store.hangs = False
    await world.kept()
    assert await world.has()
