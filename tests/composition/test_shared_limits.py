"""Limits in a shared Redis: exact from many processes, and cheap when it is slow or gone.

Real servers, sockets and signals. What the times of a failing server are compared with is
measured in the same run.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from support.redis import RedisServer, Sentinels

from gateway.core.clock import SystemClock, system_rng
from gateway.core.events import Events, StoreChanged
from gateway.state.guarded import GuardedLimits
from gateway.state.limits import Algorithm, Hit, Limit
from gateway.state.redis_client import RedisClient
from gateway.state.redis_limits import RedisLimits
from gateway.state.redis_question import LinkOptions
from gateway.state.redis_url import NO_CLUSTER, parse_redis_url

ROOT = Path(__file__).parents[2]
PROCESSES, CALLS, PLACES = 16, 1000, 4321
TIMEOUT_S = 0.005
FULL = pytest.mark.full


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


# Exact


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=[FULL, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_of_16_processes_so_many_calls_pass_as_there_are_places(
    server: RedisServer, algorithm: Algorithm, rounds: int
) -> None:
    numbers = map(str, (PROCESSES, CALLS, PLACES, rounds))
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated", ROOT / "tests")))
    said = subprocess.run(
        [sys.executable, "-m", "support.limit_processes", server.url, algorithm.name, *numbers],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
        timeout=500,
    ).stdout
    assert [json.loads(line) for line in said.splitlines()] == [[PLACES, 0]] * rounds


# Slow, and gone


Call = tuple[float, str]
"""How long it took, in seconds, and by which mode it was decided."""


class Load:
    """Calls that arrive at a steady rate; each has a twin that asks a server in good health.

    What the machine does to both (a core that others use) is not what a failing server costs.
    """

    def __init__(
        self, store: GuardedLimits, well: GuardedLimits, events: list[StoreChanged]
    ) -> None:
        self.store = store
        self.events = events
        self.limit = Limit(name="a:b", requests=1_000_000, per_s=3600.0)
        self._well = well

    async def _call(self, store: GuardedLimits) -> Call:
        began = time.perf_counter()
        decision = await store.take([Hit(self.limit, "")])
        assert decision.allowed
        return time.perf_counter() - began, decision.mode

    async def run(self, duration_s: float, per_s: int = 1000) -> tuple[list[Call], list[Call]]:
        """Return the calls of `duration_s`, once all of them have ended, and their twins."""
        tasks: list[asyncio.Task[Call]] = []
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < duration_s:
            while len(tasks) < 2 * passed * per_s:
                tasks += [asyncio.create_task(self._call(one)) for one in (self.store, self._well)]
            await asyncio.sleep(0.001)
        calls = list(await asyncio.wait_for(asyncio.gather(*tasks), 10))
        return calls[::2], calls[1::2]

    async def until(self, claim: Callable[[], bool]) -> None:
        async def poll() -> None:
            while not claim():
                await asyncio.sleep(0.01)

        await asyncio.wait_for(poll(), 20)

    async def until_exact(self) -> None:
        """Wait until the server decides again."""
        for _ in range(20):
            await self.until(lambda: self.store.state.available)
            calls, _ = await self.run(0.2)
            if exact(calls) > 0.9:
                return
        pytest.fail("the server was never exact again")

    def assert_changes(self, *first: bool) -> None:
        """What happened to the store began so, and each change was told once."""
        told = [event.available for event in self.events]
        assert told[: len(first)] == list(first)
        assert all(before is not after for before, after in pairwise(told))
        assert told[-1] is self.store.state.available


def guarded(url: str, events: list[StoreChanged]) -> GuardedLimits:
    clock = SystemClock()
    shared = RedisLimits(RedisClient(parse_redis_url(url)), clock, LinkOptions(timeout_s=TIMEOUT_S))
    return GuardedLimits(shared, clock, system_rng(), Events([events.append]))  # type: ignore[list-item]


@asynccontextmanager
async def load(url: str) -> AsyncIterator[Load]:
    events: list[StoreChanged] = []
    with RedisServer() as well:
        stores = guarded(url, events), guarded(well.url, [])
        try:
            for store in stores:
                await store.start()
            yield Load(*stores, events)
        finally:
            for store in stores:
                await store.close()


def p99(calls: list[Call]) -> float:
    return sorted(took for took, _ in calls)[len(calls) * 99 // 100]


def exact(calls: list[Call]) -> float:
    """Return the share; a busy machine may make one late that nothing is wrong with."""
    return sum(mode == "exact" for _, mode in calls) / len(calls)


def waited(calls: list[Call]) -> int:
    return sum(mode != "exact" and took > TIMEOUT_S / 2 for took, mode in calls)


async def test_a_frozen_server_costs_the_first_calls_a_timeout_and_the_others_nothing(
    server: RedisServer,
) -> None:
    async with load(server.url) as calls:
        await calls.run(0.5)
        await calls.until_exact()
        server.freeze()
        frozen, well = await calls.run(1.5)
        server.thaw()
        # The first are those of the time in which the server is found out, and of a little more.
        first, others = frozen[:100], frozen[100:]
        assert {mode for _, mode in others} == {"local_share"}
        assert p99(first) - p99(well[:100]) <= 2 * TIMEOUT_S
        assert p99(frozen) - p99(well) <= 2 * TIMEOUT_S
        assert waited(frozen) < len(frozen) * 0.04
        assert p99(others) < 0.001
        await calls.until_exact()
        calls.assert_changes(True, False, True)
        assert "it does not answer in time" in {event.why for event in calls.events}


async def test_a_server_that_is_stopped_and_started_under_load_is_found_again(
    server: RedisServer,
) -> None:
    async with load(server.url) as calls:
        running = asyncio.create_task(calls.run(2.0))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.stop)
        await calls.until(lambda: not calls.store.state.available)
        gone, _ = await calls.run(0.5)
        assert {mode for _, mode in gone} == {"local_share"}
        await asyncio.to_thread(server.start)
        through, well = await running
        assert p99(through) - p99(well) <= 2 * TIMEOUT_S
        await calls.until_exact()
        calls.assert_changes(True, False)
        with server.client() as client:
            assert client.dbsize() == 1


async def test_a_server_that_is_killed_costs_next_to_nothing(server: RedisServer) -> None:
    async with load(server.url) as calls:
        running = asyncio.create_task(calls.run(1.0))
        await asyncio.sleep(0.2)
        server.kill()
        through, well = await running
        assert through[-1][1] == "local_share"
        assert p99(through) - p99(well) <= 2 * TIMEOUT_S


async def test_many_waiting_calls_end_together(server: RedisServer) -> None:
    async with load(server.url) as calls:
        server.freeze()
        began = time.perf_counter()
        hits = [Hit(calls.limit, "")]
        decisions = await asyncio.gather(*(calls.store.take(hits) for _ in range(2000)))
        took = time.perf_counter() - began
        server.thaw()
        assert {decision.mode for decision in decisions} == {"local_share"}
        assert took < 0.5


async def test_a_gateway_starts_without_its_store_and_finds_it_later(server: RedisServer) -> None:
    server.kill()
    async with load(server.url) as calls:
        assert calls.store.state.why == "it refuses connections"
        gone, _ = await calls.run(0.1)
        assert {mode for _, mode in gone} == {"local_share"}
        await asyncio.to_thread(server.start)
        await calls.until_exact()
        calls.assert_changes(False, True)


async def test_a_gateway_starts_beside_a_cluster_and_says_why_it_is_not_used() -> None:
    with RedisServer(cluster_enabled="yes") as cluster:
        async with load(cluster.url) as calls:
            assert calls.events == [StoreChanged("limits", False, NO_CLUSTER)]
            gone, _ = await calls.run(0.2)
            assert {mode for _, mode in gone} == {"local_share"}


async def test_secrets_are_in_no_event_state_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with RedisServer(requirepass="hunter2") as server:
        url = server.url.replace("hunter2", "hunter2x")
        async with load(url) as calls:
            await calls.run(0.2)
            assert calls.store.state.why == "it refuses the credentials"
            seen = f"{calls.events} {calls.store.state} {vars(calls.store)} {caplog.text}"
            assert "hunter2" not in seen


async def test_sentinels_lead_to_the_next_master_under_load() -> None:
    with Sentinels() as sentinels:
        async with load(sentinels.url) as calls:
            await calls.until_exact()
            sentinels.master.kill()
            through, well = await calls.run(0.5)
            assert p99(through) - p99(well) <= 2 * TIMEOUT_S
            await calls.until_exact()
            with sentinels.replica.client() as client:
                assert client.dbsize() == 1
            calls.assert_changes(True, False, True)
