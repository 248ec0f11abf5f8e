"""10,000 calls cancelled at random moments leave nothing behind."""

import asyncio
import os
import random
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import PROTOS, gateway_for, seawall_process
from support.upstream import Upstream

from gateway.core.events import CallEnded
from gateway.core.status import Code

SEED = 20261122
CONCURRENCY = 25
CONFIG = "defaults: {upstream: {pool: {idle_timeout: 0.3s}}}"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


COUNTS = pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.full)])


class Restless:
    """An upstream that takes 0 to 60 ms, fails now and then, and counts who is inside."""

    def __init__(self, seed: int) -> None:
        self.inside = 0
        self.fails = False
        self._rng = random.Random(seed)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.inside += 1
        try:
            await asyncio.sleep(self._rng.random() * 0.06)
            if request.raw_path.endswith(":watch"):
                response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
                await response.prepare(request)
                for _ in range(3):
                    await response.write(b'{"orderId":"1"}\n')
                    await asyncio.sleep(self._rng.random() * 0.02)
                return response
            if self._rng.random() < 0.2 and self.fails:
                return web.json_response({}, status=503)
            return web.json_response({"orderId": "1"})
        finally:
            self.inside -= 1


async def cancel_calls(channel: grpc.aio.Channel, count: int, seed: int) -> int:
    """Begin `count` calls and cancel each within 60 ms; return how many were cut short."""
    rng = random.Random(seed)
    stub = orders_pb2_grpc.OrderServiceStub(channel)
    cut = 0

    async def worker(number: int) -> None:
        nonlocal cut
        for i in range(number):
            call = (
                stub.WatchOrders(orders_pb2.ListOrdersRequest())
                if i % 4 == 0
                else stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"))
            )
            await asyncio.sleep(rng.random() * 0.06)
            cut += call.cancel()

    await asyncio.gather(*(worker(count // CONCURRENCY) for _ in range(CONCURRENCY)))
    return cut


@COUNTS
async def test_cancelled_calls_leave_no_connection_and_no_task(count: int, tmp_path: Path):
    restless = Restless(SEED)
    async with (
        Upstream(restless) as upstream,
        gateway_for(upstream.url, config=CONFIG, tmp_path=tmp_path) as running,
    ):
        upstream.record = False
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        await stub.ListOrders(orders_pb2.ListOrdersRequest())
        idle_tasks = len(asyncio.all_tasks())

        restless.fails = True
        cut = await cancel_calls(running.channel, count, SEED)
        restless.fails = False  # what follows shows that nothing is left, and is no matter of luck

        async with asyncio.timeout(20):
            while (
                restless.inside
                or upstream.open_connections
                or len(asyncio.all_tasks()) > idle_tasks
            ):
                await asyncio.sleep(0.02)
        # Most moments were in the middle of a call, and many of those calls inside the gateway
        # (how many depends on how busy the machine is: a call may not have left the client).
        assert cut > count * 0.5
        cancelled = sum(event.code is Code.CANCELLED for event in running.of(CallEnded))
        assert cancelled > count * 0.05
        answer = await stub.ListOrders(orders_pb2.ListOrdersRequest(), timeout=5)
        assert isinstance(answer, orders_pb2.ListOrdersResponse)


@COUNTS
async def test_cancelled_calls_leave_no_memory_in_the_process(count: int, tmp_path: Path):
    config = tmp_path / "seawall.yaml"
    config.write_text(CONFIG)
    restless = Restless(SEED)
    restless.fails = True
    async with Upstream(restless) as upstream:
        upstream.record = False
        with seawall_process(
            *("--proto", str(PROTOS), "--upstream", upstream.url),
            *("--config", str(config), "--log-level", "error"),
            tmp_path=tmp_path,
        ) as gateway:
            statm = Path(f"/proc/{gateway.process.pid}/statm")

            async def resident_bytes_after(channel: grpc.aio.Channel, calls: int) -> int:
                await cancel_calls(channel, calls, SEED)
                async with asyncio.timeout(20):
                    while restless.inside or upstream.open_connections:
                        await asyncio.sleep(0.02)
                return int(statm.read_text().split()[1]) * PAGE_BYTES

            async with grpc.aio.insecure_channel(gateway.address) as channel:
                # Caches, pools and the allocator's arenas reach their size first.
                before = await resident_bytes_after(channel, 2_000)
                after = await resident_bytes_after(channel, count)
    grown = (after - before) / count
    assert grown < 500, f"{grown:.0f} bytes stay behind each cancelled call"


async def test_a_cancel_during_a_backoff_ends_the_call_at_once(tmp_path: Path):
    async def busy(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, status=503)

    config = "defaults: {method: {retry: {initial_backoff: 30s, max_backoff: 30s, jitter: NONE}}}"
    async with (
        Upstream(busy) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        call = stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), timeout=600)
        async with asyncio.timeout(10):
            while not upstream.requests:
                await asyncio.sleep(0.01)
            call.cancel()
            while not running.of(CallEnded):
                await asyncio.sleep(0.01)
        assert await call.code() is grpc.StatusCode.CANCELLED
    assert len(upstream.requests) == 1
