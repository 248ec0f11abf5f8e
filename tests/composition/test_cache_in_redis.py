"""Answers kept in a real Redis, by stores that stand for processes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from support.calls import Recorder
from support.redis import RedisServer, Sentinels

from gateway.core.clock import SystemClock
from gateway.core.events import Events, StoreChanged
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.state.answers import Entry, Found
from gateway.state.breaker import StoreBreakerOptions
from gateway.state.cache.answers import CachedAnswers
from gateway.state.cache.guarded import GuardedAnswers
from gateway.state.cache.redis import RedisAnswersCache
from gateway.state.redis_url import parse_redis_url

TIMEOUT_S = 0.2


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(requirepass="secret") as server:
        yield server


class Process:
    """A store of its own, as another process would have."""

    def __init__(self, url: str) -> None:
        self.events = Recorder()
        clock = SystemClock()
        self.store = GuardedAnswers(
            CachedAnswers(RedisAnswersCache(parse_redis_url(url))),
            clock,
            Events([self.events]),
            TIMEOUT_S,
            StoreBreakerOptions(failures=3, open_s=0.1, max_open_s=0.2),
        )

    async def keep(self, key: bytes, answer: bytes, *tags: str, life_s: float = 60) -> None:
        found = await self.store.read(key, tags)
        entry = Entry(Landing(SUCCESS, answer), time.time(), life_s, marks=found.marks)
        await self.store.write(key, tags, entry)

    async def has(self, key: bytes, *tags: str) -> bytes | None:
        entry = (await self.store.read(key, tags)).entry
        return None if entry is None else entry.landing.answer


@pytest.fixture
async def processes(server: RedisServer) -> AsyncIterator[tuple[Process, Process]]:
    with server.client() as client:
        client.flushdb()
    pair = Process(server.url), Process(server.url)
    for process in pair:
        await process.store.start()
    yield pair
    for process in pair:
        await process.store.close()


async def test_what_one_keeps_the_other_has(processes: tuple[Process, Process]) -> None:
    one, other = processes
    await one.keep(b"k", b"x" * 50_000, "a")
    assert await other.has(b"k", "a") == b"x" * 50_000
    assert await other.has(b"k", "b") is None


async def test_what_one_makes_old_the_other_has_not(processes: tuple[Process, Process]) -> None:
    one, other = processes
    await one.keep(b"k", b"x", "a")
    began = await other.store.read(b"l", ("a",))
    await one.store.invalidate(("a",))
    assert await other.has(b"k", "a") is None
    late = Entry(Landing(SUCCESS, b"old"), time.time(), 60, marks=began.marks)
    await other.store.write(b"l", ("a",), late)
    assert await one.has(b"l", "a") is None, "its fetch began before the invalidation"


async def test_an_entry_goes_when_its_life_is_over(
    processes: tuple[Process, Process], server: RedisServer
) -> None:
    one, _ = processes
    await one.keep(b"k", b"x", life_s=0.3)
    assert await one.has(b"k") == b"x"
    with server.client() as client:
        keys = [key for key in client.scan_iter() if b"answer" in key]
        assert len(keys) == 1
        assert 0 < client.pttl(keys[0]) <= 300
    await asyncio.sleep(0.35)
    assert await one.has(b"k") is None


async def test_many_at_once_agree_on_the_marks(processes: tuple[Process, Process]) -> None:
    one, other = processes
    found = await asyncio.gather(
        *(process.store.read(b"k", ("new",)) for process in (one, other) for _ in range(10))
    )
    assert len({each.marks for each in found}) == 1


async def test_large_answers_take_less_room_there(
    processes: tuple[Process, Process], server: RedisServer
) -> None:
    one, _ = processes
    await one.keep(b"k", b"abcdefgh" * 10_000)
    with server.client() as client:
        key = next(key for key in client.scan_iter() if b"answer" in key)
        assert client.strlen(key) < 8_000


async def test_a_frozen_server_costs_no_more_than_the_timeout_and_is_used_again() -> None:
    with RedisServer() as server:
        process = Process(server.url)
        await process.store.start()
        await process.keep(b"k", b"x", "a")
        server.freeze()
        took = []
        for _ in range(6):
            began = time.monotonic()
            assert await process.has(b"k", "a") is None
            took.append(time.monotonic() - began)
        assert max(took) < 2 * TIMEOUT_S
        assert sorted(took)[2] < TIMEOUT_S / 4, "its breaker is open: it is not asked"
        await process.store.invalidate(("a",))
        assert process.store.owed == 1
        server.thaw()
        await until_answers(process)
        assert await process.has(b"k", "a") is None, "what was owed was written first"
        assert process.store.owed == 0
        told = [e.available for e in process.events if isinstance(e, StoreChanged)]
        assert told == [True, False, True]
        await process.store.close()


async def test_a_server_that_died_and_came_back_is_used_again() -> None:
    with RedisServer() as server:
        process = Process(server.url)
        await process.store.start()
        await process.keep(b"k", b"x")
        server.kill()
        assert await process.has(b"k") is None
        server.start()
        await until_answers(process)
        await process.keep(b"k", b"y")
        assert await process.has(b"k") == b"y"
        await process.store.close()


async def test_sentinels_say_where_it_is() -> None:
    with Sentinels() as sentinels:
        process = Process(sentinels.url)
        await process.store.start()
        await process.keep(b"k", b"x")
        assert await process.has(b"k") == b"x"
        await process.store.close()


async def until_answers(process: Process) -> None:
    end = time.monotonic() + 20
    while await process.store.read(b"probe", ()) == Found(None, ()):
        assert time.monotonic() < end, "it never answered again"
        await asyncio.sleep(0.05)
