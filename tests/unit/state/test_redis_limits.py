"""Counts in a real Redis: the same decisions as in memory, and what only a shared store does."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis
from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from support.redis import RedisServer

from gateway.core.clock import SystemClock
from gateway.state.limits import Algorithm, Decision, Hit, Limit
from gateway.state.memory_limits import MemoryLimits
from gateway.state.redis_client import RedisClient
from gateway.state.redis_limits import RedisLimits
from gateway.state.redis_question import LinkOptions
from gateway.state.redis_url import parse_redis_url

NOW_US = 1_700_000_000_000_000
GCRA, WINDOW = Algorithm.GCRA, Algorithm.SLIDING_WINDOW
_fresh = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@asynccontextmanager
async def opened(server: RedisServer) -> AsyncIterator[RedisLimits]:
    client = RedisClient(parse_redis_url(server.url))
    limits = RedisLimits(client, SystemClock(), LinkOptions(timeout_s=10))
    await limits.open(lambda why: None)
    try:
        yield limits
    finally:
        await limits.close()


@pytest.fixture
async def limits(server: RedisServer) -> AsyncIterator[RedisLimits]:
    async with opened(server) as store:
        yield store


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as connected:
        connected.flushall()
        yield connected


def a_limit(requests: int = 3, **said: Any) -> Limit:
    return Limit(name=f"panel.v1.Auth/Login:{next(_fresh)}", requests=requests, **said)


async def take(limits: RedisLimits, *hits: Hit, now_us: int | None = None) -> Decision:
    decision = await limits.take(hits, now_us)
    assert decision is not None
    return decision


# The same as in memory


limit_shapes = st.one_of(
    st.builds(
        dict,
        algorithm=st.just(WINDOW),
        requests=st.sampled_from([1, 2, 3, 60, 61, 100, 1000]),
        per_s=st.sampled_from([0.000001, 0.001, 0.06, 1.0, 60.0, 86400.0]),
        shadow=st.booleans(),
    ),
    st.builds(
        dict,
        algorithm=st.just(GCRA),
        requests=st.sampled_from([1, 2, 3, 7, 100, 1000]),
        burst=st.sampled_from([0, 1, 2, 5, 1000]),
        per_s=st.sampled_from([0.000001, 0.001, 1.0, 60.0, 86400.0]),
        shadow=st.booleans(),
    ),
    # The longest that doubles hold.
    st.builds(
        dict,
        algorithm=st.just(GCRA),
        requests=st.sampled_from([1, 7]),
        per_s=st.just(9_007_199.0),
        shadow=st.booleans(),
    ),
)
steps = st.tuples(
    st.sampled_from([0, 0, 0, 1, 1 / 61, 1 / 60, 0.4, 0.999999, 1, 1.000001, 2.5]),
    st.integers(-2, 2),
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.sampled_from([1, 1, 0, 2, 50, -1])),
        min_size=1,
        max_size=4,
    ),
)


@pytest.fixture(scope="module")
def runner(server: RedisServer) -> Iterator[tuple[asyncio.Runner, RedisLimits]]:
    with asyncio.Runner() as running:
        client = RedisClient(parse_redis_url(server.url))
        store = RedisLimits(client, SystemClock(), LinkOptions(timeout_s=10))
        running.run(store.open(lambda why: None))
        yield running, store
        running.run(store.close())


@settings(max_examples=200, deadline=None)
@given(shapes=st.lists(limit_shapes, min_size=3, max_size=3), way=st.lists(steps, max_size=25))
def test_redis_decides_as_memory_does(
    runner: tuple[asyncio.Runner, RedisLimits], shapes: list[dict[str, Any]], way: list[Any]
) -> None:
    running, store = runner
    limits = [a_limit(**shape) for shape in shapes]
    clock = FakeClock(start=NOW_US / 1e6)
    memory = MemoryLimits(clock)

    async def walk() -> None:
        for share, more_us, asked in way:
            clock.advance(limits[0].per_s * share + max(0, more_us) / 1e6)
            hits = [
                Hit(limits[i], key, limits[i].requests + 1 if cost < 0 else cost)
                for i, key, cost in asked
            ]
            shared = await take(store, *hits, now_us=int(clock.now() * 1e6 + 0.5))
            local = memory.take_now(hits)
            assert shared.allowed == local.allowed
            assert list(shared.verdicts) == list(local.verdicts)

    running.run(walk())


@pytest.mark.parametrize(
    "limit",
    [
        Limit(name="w", requests=61, per_s=60.0),
        Limit(name="w", requests=60, per_s=60.0),
        Limit(name="w", requests=1000, per_s=0.000061),
        Limit(name="g", requests=60, per_s=60.0, algorithm=GCRA),
        Limit(name="g", requests=7, per_s=0.000061, burst=3, algorithm=GCRA),
        Limit(name="g", requests=3, per_s=9_007_199.0, algorithm=GCRA),
        Limit(name="g", requests=1_000_000, per_s=9_007_199.0, algorithm=GCRA),
    ],
    ids=str,
)
async def test_redis_decides_as_memory_does_at_the_edges(limits: RedisLimits, limit: Limit) -> None:
    clock = FakeClock(start=NOW_US / 1e6)
    memory = MemoryLimits(clock)
    limit = replace(limit, name=f"edges:{next(_fresh)}")
    per_us = round(limit.per_s * 1e6)
    edges = {0, 1, per_us // 60, per_us // limit.requests, per_us}
    at_us = NOW_US
    for more_us in sorted({max(0, edge + off) for edge in edges for off in (-1, 0, 1)}) * 2:
        at_us += more_us
        clock.advance((at_us - NOW_US) / 1e6 + NOW_US / 1e6 - clock.now())
        assert int(clock.now() * 1e6 + 0.5) == at_us
        for cost in (1, limit.requests // 2 or 1, limit.requests, 0):
            shared = await take(limits, Hit(limit, "", cost), now_us=at_us)
            local = memory.take_now([Hit(limit, "", cost)])
            assert (shared.allowed, *shared.verdicts) == (local.allowed, *local.verdicts)


async def test_a_limit_with_other_numbers_goes_on_from_what_was_counted(
    limits: RedisLimits,
) -> None:
    for algorithm in Algorithm:
        wide = a_limit(100, per_s=60.0, algorithm=algorithm)
        narrow = Limit(name=wide.name, requests=2, per_s=60.0, algorithm=algorithm)
        memory = MemoryLimits(FakeClock(start=NOW_US / 1e6))
        for limit in (wide, wide, wide, narrow, wide, narrow):
            hit = Hit(limit, "", 5 if limit is wide else 1)
            shared = await take(limits, hit, now_us=NOW_US)
            local = memory.take_now([hit])
            assert (shared.allowed, *shared.verdicts) == (local.allowed, *local.verdicts)


# One decision


async def test_of_several_limits_all_count_or_none(limits: RedisLimits) -> None:
    wide, narrow = a_limit(10), a_limit(1, algorithm=GCRA)
    first = await take(limits, Hit(wide, ""), Hit(narrow, ""))
    assert first.allowed
    for _ in range(5):
        decision = await take(limits, Hit(wide, ""), Hit(narrow, ""))
        assert not decision.allowed
        assert [verdict.allowed for verdict in decision.verdicts] == [True, False]
        assert decision.verdicts[0].remaining == 9
    assert decision.mode == "exact"


async def test_a_shadow_counts_and_refuses_nothing(limits: RedisLimits) -> None:
    shadow, real = a_limit(1, shadow=True), a_limit(3)
    said = [await take(limits, Hit(shadow, ""), Hit(real, "")) for _ in range(4)]
    assert [decision.allowed for decision in said] == [True, True, True, False]
    assert [decision.verdicts[0].allowed for decision in said] == [True, False, False, False]


async def test_a_call_may_cost_more_than_one_place(limits: RedisLimits) -> None:
    for algorithm in Algorithm:
        limit = a_limit(5, algorithm=algorithm)
        assert (await take(limits, Hit(limit, "", 3))).allowed
        assert not (await take(limits, Hit(limit, "", 3))).allowed
        assert (await take(limits, Hit(limit, "", 2))).allowed
        never = await take(limits, Hit(limit, "", 6))
        assert never.verdicts[0].retry_after_s == math.inf


async def test_many_at_once_get_so_many_places_and_no_more(limits: RedisLimits) -> None:
    for algorithm in Algorithm:
        limit = a_limit(100, per_s=100_000.0, algorithm=algorithm)
        decisions = await asyncio.gather(*(take(limits, Hit(limit, "")) for _ in range(500)))
        assert sum(decision.allowed for decision in decisions) == 100


# The server's clock


async def test_time_is_the_servers(limits: RedisLimits) -> None:
    for algorithm in Algorithm:
        limit = a_limit(1, per_s=0.2, algorithm=algorithm)
        assert (await take(limits, Hit(limit, ""))).allowed
        refused = await take(limits, Hit(limit, ""))
        assert 0 < refused.verdicts[0].retry_after_s <= 0.2
        await asyncio.sleep(refused.verdicts[0].retry_after_s)
        assert (await take(limits, Hit(limit, ""))).allowed


async def test_a_clock_that_steps_back_gives_no_places_back(limits: RedisLimits) -> None:
    for algorithm in Algorithm:
        limit = a_limit(2, algorithm=algorithm)
        for _ in range(2):
            assert (await take(limits, Hit(limit, ""), now_us=NOW_US)).allowed
        back = await take(limits, Hit(limit, ""), now_us=NOW_US - 3600 * 1_000_000)
        then = await take(limits, Hit(limit, ""), now_us=NOW_US)
        assert back == then
        assert not back.allowed


# Keys


async def test_counts_go_away_by_themselves(limits: RedisLimits, client: redis.Redis) -> None:
    for algorithm in Algorithm:
        limit = a_limit(4, per_s=60.0, algorithm=algorithm)
        await take(limits, Hit(limit, "joe"))
        places_back_ms = 60_000 if algorithm is WINDOW else 15_000
        (key,) = client.keys(f"seawall:limit:1:*{limit.name}|joe")
        assert places_back_ms - 500 <= client.pttl(key) - 1000 <= places_back_ms + 1


async def test_a_count_is_gone_a_second_after_its_places_are_back(
    limits: RedisLimits, client: redis.Redis
) -> None:
    await take(limits, *(Hit(a_limit(4, per_s=0.05, algorithm=one), "") for one in Algorithm))
    assert client.dbsize() == 2
    await asyncio.sleep(1.2)
    assert client.dbsize() == 0


async def test_refused_calls_keep_nothing_alive(limits: RedisLimits, client: redis.Redis) -> None:
    limit = a_limit(1, per_s=60.0)
    await take(limits, Hit(limit, ""))
    (key,) = client.keys()
    client.pexpire(key, 30_000)
    assert not (await take(limits, Hit(limit, ""))).allowed
    assert client.pttl(key) <= 30_000


@pytest.mark.parametrize(
    "key", ["k" * 129, "new\nline", "Müller", "\udcff", "k" * 1_000_000, "\x00"]
)
async def test_long_and_odd_keys_are_kept_as_digests(
    limits: RedisLimits, client: redis.Redis, key: str
) -> None:
    limit = a_limit(2)
    said = [(await take(limits, Hit(limit, key))).allowed for _ in range(3)]
    assert said == [True, True, False]
    (kept,) = client.keys()
    digest = kept.partition(b"|")[2]
    assert len(digest) == 129
    assert digest.startswith(b"~")
    # And nobody else has this count.
    assert (await take(limits, Hit(limit, key[1:]))).allowed


async def test_no_two_counts_share_a_key(limits: RedisLimits, client: redis.Redis) -> None:
    names = ["a:b", "a", "a|b", "a%7Cb", "a b", ""]
    keys = ["c", "b:c", "b|c", "|c", "", "%7Cc"]
    for name in names:
        for algorithm in Algorithm:
            for key in keys:
                await take(limits, Hit(Limit(name=name, requests=1, algorithm=algorithm), key))
    assert client.dbsize() == len(names) * len(keys) * 2


async def test_plain_keys_can_be_read_by_people(limits: RedisLimits, client: redis.Redis) -> None:
    limit = Limit(name="panel.v1.AuthService/Login:logins", requests=1)
    await take(limits, Hit(limit, "10.0.0.7"))
    assert client.keys() == [b"seawall:limit:1:window:panel.v1.AuthService/Login:logins|10.0.0.7"]


async def test_a_busy_window_is_kept_small(limits: RedisLimits, client: redis.Redis) -> None:
    limit = a_limit(1_000_000, per_s=60.0)
    for i in range(400):
        await take(limits, Hit(limit, "", 100), now_us=NOW_US + i * 1_000_000)
    (key,) = client.keys()
    assert client.strlen(key) < 1000


# Scripts and errors


async def test_a_script_that_was_flushed_is_sent_again(
    limits: RedisLimits, client: redis.Redis
) -> None:
    limit = a_limit(50)
    await take(limits, Hit(limit, ""))
    client.script_flush()
    decisions = await asyncio.gather(*(take(limits, Hit(limit, "")) for _ in range(60)))
    assert sum(decision.allowed for decision in decisions) == 49


async def test_a_full_server_counts_nothing_and_ends_the_store(server: RedisServer) -> None:
    ends: list[str] = []
    client = RedisClient(parse_redis_url(server.url))
    limits = RedisLimits(client, SystemClock(), LinkOptions(timeout_s=10, max_failures=2))
    await limits.open(ends.append)
    first, second = a_limit(5), a_limit(5)
    hits = [Hit(first, ""), Hit(second, "")]
    with server.client() as looking:
        looking.flushall()
        looking.config_set("maxmemory", "1")
        try:
            assert await limits.take(hits) is None
            assert await limits.take(hits) is None
        finally:
            looking.config_set("maxmemory", "0")
        assert looking.dbsize() == 0
    assert ends == ["it has no memory left"]
    assert await limits.take(hits) is None
    await limits.open(ends.append)
    assert (await take(limits, *hits)).verdicts[0].remaining == 4
    await limits.close()


async def test_a_store_that_is_not_open_says_nothing(server: RedisServer) -> None:
    limits = RedisLimits(RedisClient(parse_redis_url(server.url)), SystemClock())
    assert await limits.take([Hit(a_limit(), "")]) is None


async def test_a_cancelled_caller_leaves_the_others_their_answers(limits: RedisLimits) -> None:
    limit = a_limit(1000)
    tasks = [asyncio.create_task(take(limits, Hit(limit, ""))) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert all(isinstance(result, Decision) and result.allowed for result in results[1::2])
    assert (await take(limits, Hit(limit, ""))).allowed
