"""Row E6: price alerts: a stream that asks by way of the cache and its retries, sends what has
changed, and asks once for all who watch the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from market.v1 import pricing_pb2, pricing_pb2_grpc
from scenarios.downstreams import MARKET_UPSTREAMS, Downstream, eventually
from scenarios.gateways import gateway_over
from scenarios.operations import passing
from support.gateways import Running

EBAY, SERPAPI = "/buy/item_sales", "/search.json"
MOVE = "/_demo/prices"
SALES = f"GET {EBAY}"
PATIENT = (
    "services: {market.v1.PricingService: {methods: {GetComps: {cache: {ttl: 60s, ttl_by: {}}}}}}"
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(market: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, rng = dict.fromkeys(MARKET_UPSTREAMS, market.url), FakeRng([0.5])
    async with gateway_over(
        "market", urls, tmp_path, clock=clock, rng=rng, config=PATIENT
    ) as running:
        yield running


class Watcher:
    """Reads a stream as it comes."""

    def __init__(self, running: Running, q: str = "blue-card") -> None:
        self.found: list[pricing_pb2.GetCompsResponse] = []
        stub = pricing_pb2_grpc.PricingServiceStub(running.channel)
        self.call: Any = stub.Watch(pricing_pb2.WatchRequest(q=q))
        self._task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            async for answer in self.call:
                self.found.append(answer)

    async def leave(self) -> None:
        self.call.cancel()
        await self._task


async def settle() -> None:
    await asyncio.sleep(0.1)


async def test_the_price_comes_at_once_and_then_when_it_has_changed(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    watcher = Watcher(running)
    await eventually(lambda: len(watcher.found) == 1)
    for _ in range(3):  # kept, and so the same
        clock.advance(15)
        await settle()
    assert (len(watcher.found), market.seen(SALES)) == (1, 1)
    market.ask("POST", MOVE)
    await passing(clock, lambda: market.seen(SALES) == 2, 5.0)
    await eventually(lambda: len(watcher.found) == 2)
    assert watcher.found[0] != watcher.found[1]
    await watcher.leave()


async def test_all_who_watch_the_same_are_one_question_a_round(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    watchers = [Watcher(running) for _ in range(20)]
    await eventually(lambda: all(len(watcher.found) == 1 for watcher in watchers))
    assert market.seen(SALES) == 1
    market.ask("POST", MOVE)
    await passing(clock, lambda: market.seen(SALES) == 2, 5.0)
    await eventually(lambda: all(len(watcher.found) == 2 for watcher in watchers))
    late = Watcher(running)
    await eventually(lambda: len(late.found) == 1)
    assert late.found == watchers[0].found[1:]
    assert market.seen(SALES) == 2
    for watcher in (*watchers, late):
        await watcher.leave()


async def test_a_hiccup_is_retried_and_not_noticed(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    watcher = Watcher(running)
    await eventually(lambda: len(watcher.found) == 1)
    market.ask("POST", MOVE)
    market.set_faults({"path": EBAY, "status": 503, "count": 2})
    await passing(clock, lambda: len(watcher.found) == 2, 2.0)
    assert market.seen(SALES) == 4
    assert not watcher.call.done()
    await watcher.leave()


async def test_where_nobody_answers_any_more_the_stream_ends_with_the_failure(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    market.set_faults({"path": EBAY, "status": 503}, {"path": SERPAPI, "status": 503})
    watcher = Watcher(running)
    await passing(clock, watcher.call.done, 2.0)
    assert await watcher.call.code() == grpc.StatusCode.UNAVAILABLE
    assert watcher.found == []


async def test_a_request_that_cannot_be_ends_it_at_once(running: Running, clock: FakeClock) -> None:
    watcher = Watcher(running, "")
    await eventually(watcher.call.done)
    assert await watcher.call.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_the_last_one_out_ends_the_questions(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    watchers = [Watcher(running) for _ in range(2)]
    await eventually(lambda: all(len(watcher.found) == 1 for watcher in watchers))
    await watchers[0].leave()
    market.ask("POST", MOVE)
    await passing(clock, lambda: market.seen(SALES) == 2, 5.0)
    await eventually(lambda: len(watchers[1].found) == 2)
    await watchers[1].leave()
    await settle()
    for _ in range(20):
        clock.advance(30)
        await asyncio.sleep(0.01)
    assert market.seen(SALES) == 2
