"""Streams in numbers: very long ones in bounded memory, many that are cancelled."""

import asyncio
import os
import random
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from composition.streams import NDJSON, PROTOS, begin, feed_gateway, forever, lines_of, until
from feed.v1 import feed_pb2 as pb
from feed.v1 import feed_pb2_grpc
from support.gateways import GatewayProcess, seawall_process
from support.upstream import Upstream

from gateway.core.events import CallEnded
from gateway.core.status import Code

KEY = pb.Key(shelf="a")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MAX_GROWTH = 8_000_000
TEXT = "x" * 2_000
MESSAGES = pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.full)])
STREAMS = pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.full)])


def item(number: int) -> bytes:
    return b'{"id":"%d","text":"%s"}' % (number, TEXT.encode())


FRAMINGS = {
    NDJSON: (b"", b"%s\n", b""),
    "text/event-stream": (b"", b"data: %s\n\n", b"data: [DONE]\n\n"),
    "application/json": (b"[{}", b",%s", b"]"),
}


def resident_bytes(gateway: GatewayProcess) -> int:
    statm = Path(f"/proc/{gateway.process.pid}/statm")
    return int(statm.read_text().split()[1]) * PAGE_BYTES


@pytest.mark.parametrize("content_type", FRAMINGS)
@MESSAGES
async def test_a_long_stream_is_served_in_bounded_memory(content_type, count, tmp_path):
    head, each, tail = FRAMINGS[content_type]
    first_seen = asyncio.Event()
    length = 0
    ended = False

    async def handler(request):
        nonlocal ended
        response = await begin(request, content_type)
        await response.write(head + each % item(0))
        await first_seen.wait()  # the first message is there before the second is made
        for begin_ in range(1, length, 100):
            numbers = range(begin_, min(begin_ + 100, length))
            await response.write(b"".join(each % item(number) for number in numbers))
        await response.write(tail)
        ended = True
        return response

    async with Upstream(handler) as upstream:
        arguments = ("--proto", str(PROTOS), "--upstream", upstream.url, "--log-level", "error")
        with seawall_process(*arguments, tmp_path=tmp_path) as gateway:

            async def read(total: int) -> int:
                nonlocal length, ended
                length, ended = total, False
                first_seen.clear()
                seen = 0
                async for answer in stub.Watch(KEY):
                    if not answer.id:  # the array's empty first element
                        continue
                    assert answer.id == str(seen)
                    if seen == 0:
                        assert not ended
                        first_seen.set()
                    seen += 1
                assert seen == total
                return resident_bytes(gateway)

            async with grpc.aio.insecure_channel(gateway.address) as channel:
                stub = feed_pb2_grpc.FeedServiceStub(channel)
                before = await read(2_000)
                after = await read(count)
    assert after - before < MAX_GROWTH


@MESSAGES
async def test_a_long_client_stream_is_served_in_bounded_memory(count, tmp_path):
    async def handler(request):
        found = 0
        while line := await request.content.readline():
            assert len(line) > 500
            found += 1
        return web.json_response({"count": found})

    async with Upstream(handler) as upstream:
        upstream.record = False
        arguments = ("--proto", str(PROTOS), "--upstream", upstream.url, "--log-level", "error")
        with seawall_process(*arguments, tmp_path=tmp_path) as gateway:
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                stub = feed_pb2_grpc.FeedServiceStub(channel)
                message = pb.Item(id="1", text=TEXT)

                async def send(total: int) -> int:
                    answer = await stub.UploadAll(message for _ in range(total))
                    assert answer.count == total
                    return resident_bytes(gateway)

                before = await send(2_000)
                after = await send(count)
    assert after - before < MAX_GROWTH


@STREAMS
@pytest.mark.parametrize("method", ["Watch", "UploadAll", "Look", "Talk", "Download"])
async def test_streams_cancelled_half_way_leave_no_connection_and_no_task(method, count, tmp_path):
    inside = 0

    async def handler(request):
        nonlocal inside
        inside += 1
        try:
            if method == "UploadAll":
                async for _ in lines_of(request):
                    pass
            response = await begin(request)
            await response.write(b'{"id":"1"}\n{"id":"2"}\n')
            await forever()
        finally:
            inside -= 1

    rng = random.Random(20261122)
    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        upstream.record = False
        stub = feed_pb2_grpc.FeedServiceStub(running.channel)
        await running.channel.channel_ready()
        idle_tasks = len(asyncio.all_tasks())

        async def half_a_stream() -> None:
            if method in ("Watch", "Download"):
                call = getattr(stub, method)(KEY)
            else:
                call = getattr(stub, method)()
                await call.write(pb.Item(id="1") if method != "Look" else KEY)
            if method != "UploadAll":
                await call.read()
            await asyncio.sleep(rng.random() * 0.02)
            assert call.cancel()

        async def worker() -> None:
            for _ in range(count // 20):
                await half_a_stream()

        await asyncio.gather(*(worker() for _ in range(20)))
        await until(lambda: len(running.of(CallEnded)) == count)
        await until(lambda: not inside and not upstream.open_connections)
        await until(lambda: len(asyncio.all_tasks()) <= idle_tasks)
        assert {event.code for event in running.of(CallEnded)} == {Code.CANCELLED}
