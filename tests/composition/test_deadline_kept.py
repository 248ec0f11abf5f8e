"""No call outlives its deadline by more than 50 ms, whatever the upstream does.

How late a machine is told of its own timers differs by the hour, so the bound is 50 ms on
top of what a plain timer of the same loop is late by in the same run.
"""

import asyncio
import contextlib
import random
import time

import grpc
from aiohttp import web
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import gateway_for
from support.upstream import Upstream

from gateway.core.events import CallEnded
from gateway.core.status import Code

SEED = 20261124
CALLS = 400
AT_ONCE = 40
LATE_S = 0.050


class Moody:
    """Answers at once, late, never, by an error or in halves, as it pleases."""

    def __init__(self) -> None:
        self._rng = random.Random(SEED)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        mood = self._rng.random()
        if mood < 0.2:
            return web.json_response({}, status=503)
        if mood < 0.3:
            return web.json_response({}, status=429, headers={"retry-after": "1"})
        if mood < 0.5:
            await asyncio.get_running_loop().create_future()
        if mood < 0.6:
            response = web.StreamResponse(headers={"content-length": "1000"})
            await response.prepare(request)
            await response.write(b"{")
            await asyncio.get_running_loop().create_future()
        if mood < 0.7 and request.transport is not None:
            request.transport.abort()
        await asyncio.sleep(self._rng.random())
        return web.json_response({"orderId": "1"})


async def make_calls(channel: grpc.aio.Channel) -> None:
    """Make the calls, each with a random timeout, some with none but the method's own."""
    rng = random.Random(SEED)
    orders = orders_pb2_grpc.OrderServiceStub(channel)

    async def worker(count: int) -> None:
        for number in range(count):
            timeout_s = None if number % 4 == 0 else 0.05 + rng.random() * 0.5
            with contextlib.suppress(grpc.aio.AioRpcError):
                await orders.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), timeout=timeout_s)

    await asyncio.gather(*(worker(CALLS // AT_ONCE) for _ in range(AT_ONCE)))


async def latest_timer(ended: asyncio.Event) -> float:
    """Return by how much a plain timer of this loop was late, at the worst."""
    worst = 0.0
    while not ended.is_set():
        due_at = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        worst = max(worst, time.monotonic() - due_at)
    return worst


async def test_no_call_outlives_its_deadline(tmp_path):
    config = "defaults: {method: {deadline: {default: 0.4s}}}"
    async with (
        Upstream(Moody()) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        ended = asyncio.Event()
        timers = asyncio.create_task(latest_timer(ended))
        await make_calls(running.channel)
        ended.set()
        baseline_s = await timers
        calls = running.of(CallEnded)
        assert len(calls) == CALLS
        late = [
            event.call.arrived_at
            + event.duration_s
            - (event.call.client_deadline_at or event.call.arrived_at + 0.4)
            for event in calls
        ]
        assert any(event.code is Code.DEADLINE_EXCEEDED for event in calls)
        assert max(late) <= LATE_S + baseline_s
