"""A server stream of newline-delimited JSON: as it arrives, held back, cancelled, cut."""

import asyncio
import json

import grpc
import pytest
from aiohttp import web
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer

from gateway.core.events import CallEnded
from gateway.core.status import Code

REQUEST = orders_pb2.ListOrdersRequest()


def line(number: int) -> bytes:
    return json.dumps({"orderId": str(number)}).encode() + b"\n"


async def stream_of(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
    await response.prepare(request)
    return response


async def until(condition, timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_message_is_delivered_before_the_next_is_made():
    delivered = asyncio.Event()

    async def handler(request):
        response = await stream_of(request)
        await response.write(line(1))
        await delivered.wait()
        await response.write(line(2))
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        assert (await call.read()).order_id == "1"
        delivered.set()
        assert (await call.read()).order_id == "2"
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    assert upstream.requests == ["GET /v1/orders:watch"]


async def test_a_callers_cancel_closes_the_upstreams_socket():
    async def handler(request):
        response = await stream_of(request)
        await response.write(line(1))
        await asyncio.get_running_loop().create_future()
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        await call.read()
        assert upstream.open_connections == 1
        call.cancel()
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: upstream.disconnects == 1)
        await until(lambda: running.of(CallEnded))
    (ended,) = running.of(CallEnded)
    assert ended.code is Code.CANCELLED
    assert ended.call.sent == 1


async def test_a_slow_reader_holds_the_upstream_back():
    written = 0
    big = json.dumps({"orderId": "x" * 60_000}).encode() + b"\n"

    async def handler(request):
        nonlocal written
        response = await stream_of(request)
        for _ in range(2000):
            await response.write(big)
            written += 1
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        await call.read()
        last = -1
        while last != written:  # until nothing moves any more
            last = written
            await asyncio.sleep(0.15)
        assert written < 1000
        call.cancel()


async def test_an_error_in_the_middle_ends_the_stream_and_is_not_retried():
    async def handler(request):
        response = await stream_of(request)
        await response.write(line(1))
        await response.write(b"<html>\n")
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        assert (await call.read()).order_id == "1"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert len(upstream.requests) == 1


async def test_a_connection_that_breaks_after_the_first_message_is_not_retried():
    async def handler(request):
        response = await stream_of(request)
        await response.write(line(1))
        assert request.transport is not None
        request.transport.abort()
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while True:
                if await call.read() is grpc.aio.EOF:
                    break
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "already delivered" in (caught.value.details() or "")
    assert len(upstream.requests) == 1


async def test_a_stream_that_never_began_is_retried():
    answers = iter([json_answer({}, 503), None])

    async def handler(request):
        first = next(answers)
        if first is not None:
            return await first(request)
        response = await stream_of(request)
        await response.write(line(7))
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        assert (await call.read()).order_id == "7"
        assert await call.read() is grpc.aio.EOF
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("envelope", [{"error": {"code": 13}}, {"error": "oops"}])
async def test_an_error_in_an_envelope_is_an_error_and_not_an_empty_message(envelope):
    async def handler(request):
        response = await stream_of(request)
        await response.write(json.dumps(envelope).encode() + b"\n")
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is not grpc.StatusCode.OK


async def test_silence_longer_than_the_idle_timeout_ends_the_stream(tmp_path):
    async def handler(request):
        response = await stream_of(request)
        await response.write(line(1))
        await asyncio.get_running_loop().create_future()
        return response

    config = "defaults: {method: {stream: {idle_timeout: 0.1s}}}"
    async with (
        Upstream(handler) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST)
        await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        await until(lambda: upstream.open_connections == 0)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "sent no message for 0.1 s" in (caught.value.details() or "")


async def test_the_deadline_ends_a_stream():
    async def handler(request):
        response = await stream_of(request)
        await asyncio.get_running_loop().create_future()
        return response

    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        call = orders_pb2_grpc.OrderServiceStub(running.channel).WatchOrders(REQUEST, timeout=0.2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        await until(lambda: upstream.open_connections == 0)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "during the first attempt" in (caught.value.details() or "")
