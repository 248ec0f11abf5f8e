"""What a call spends its time on: all of it counts, and the upstream is told what is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from seawall_client.failure import read_failure
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import Running, gateway_for
from support.upstream import Upstream, json_answer

from gateway.core.events import CallEnded

GET = orders_pb2.GetOrderRequest(order_id="o-1")
QUEUES = {
    "bulkhead": """
defaults:
  upstream:
    adaptive_concurrency: {disabled: true}
    bulkhead: {max_in_flight: 1, max_wait: 10s}
""",
    "pool": """
defaults:
  upstream: {adaptive_concurrency: {disabled: true}, pool: {max_connections: 1}}
""",
    "serialize": """
services:
  shop.v1.OrderService: {methods: {GetOrder: {serialize: {field: order_id}}}}
""",
}
HELD_S = 0.3


def stub(running: Running) -> orders_pb2_grpc.OrderServiceStub:
    return orders_pb2_grpc.OrderServiceStub(running.channel)


class Holding:
    """An upstream that holds its first request until it is told to let it go."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, _request: web.BaseRequest) -> web.StreamResponse:
        self.arrived.set()
        await self.release.wait()
        return web.json_response({"orderId": "o-1"})


@asynccontextmanager
async def one_held(
    config: str, tmp_path: Path
) -> AsyncIterator[tuple[Running, Upstream, Holding, Any]]:
    """Run a gateway one of whose calls is with the upstream and stays there."""
    holding = Holding()
    async with (
        Upstream(holding) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        first = stub(running).GetOrder(GET, timeout=30)
        await holding.arrived.wait()
        try:
            yield running, upstream, holding, first
        finally:
            holding.release.set()
            await first


@pytest.mark.parametrize("queue", QUEUES)
async def test_what_a_call_waited_is_taken_off_what_the_upstream_is_told(queue, tmp_path):
    async with one_held(QUEUES[queue], tmp_path) as (running, upstream, holding, _):
        second = asyncio.ensure_future(stub(running).GetOrder(GET, timeout=20))
        await asyncio.sleep(HELD_S)
        holding.release.set()
        await second
        call = max((event.call for event in running.of(CallEnded)), key=lambda c: c.arrived_at)
    told_s = float(upstream.headers[1]["x-server-timeout"])
    lasts_s = call.deadline_at - call.arrived_at
    assert 0.5 * lasts_s < told_s <= lasts_s - 0.8 * HELD_S


@pytest.mark.parametrize("queue", QUEUES)
async def test_a_deadline_that_comes_in_a_queue_is_told_as_the_deadline(queue, tmp_path):
    async with one_held(QUEUES[queue], tmp_path) as (running, upstream, _, _):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(running).GetOrder(GET, timeout=HELD_S)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert read_failure(caught.value).reason == "DEADLINE_EXCEEDED"
        assert len(upstream.requests) == 1


async def test_a_body_that_comes_too_slowly_ends_with_the_deadline():
    async def drips(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with Upstream(drips) as upstream, gateway_for(upstream.url) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(running).GetOrder(GET, timeout=HELD_S)
        assert read_failure(caught.value).reason == "DEADLINE_EXCEEDED"
        async with asyncio.timeout(10):
            while upstream.open_connections:  # half read: not kept for another
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("timeout_s", "lasts_s", "margin_s"),
    [
        (None, 15.0, None),  # the built-in default
        (0.9, None, 0.020 + 0.027),  # with 3 % that the caller may have told too much
        (6.0, None, 0.030 + 0.18),  # and 10 ms that it may have rounded up by
        (600.0, 60.0, None),  # the built-in maximum
    ],
)
async def test_the_built_in_deadline_is_fixed_when_a_call_arrives(timeout_s, lasts_s, margin_s):
    answer = json_answer({"orderId": "o-1"})
    async with Upstream(answer) as upstream, gateway_for(upstream.url) as running:
        await stub(running).GetOrder(GET, timeout=timeout_s)
        call = running.of(CallEnded)[-1].call
    if lasts_s is not None:
        assert call.deadline_at - call.arrived_at == pytest.approx(lasts_s)
    if margin_s is not None:
        assert call.client_deadline_at - call.deadline_at == pytest.approx(margin_s, abs=0.003)


async def test_each_of_the_answers_at_a_deadline_carries_its_details():
    # Timeouts that differ by less than 3 % travel as one: gRPC's core compresses them. What
    # the gateway is told is then as much longer, and all of its margin would be gone.
    hangs = Holding()
    async with Upstream(hangs) as upstream, gateway_for(upstream.url) as running:
        orders = stub(running)
        calls = [orders.GetOrder(GET, timeout=0.9 - 0.02 * number) for number in range(12)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
    for error in ends:
        assert isinstance(error, grpc.aio.AioRpcError)
        assert read_failure(error).reason == "DEADLINE_EXCEEDED"
    assert {event.code.name for event in running.of(CallEnded)} == {"DEADLINE_EXCEEDED"}
