"""What connections may take, over real sockets: by gRPC's client, and by one that misbehaves."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from aiohttp import web
from support.certificates import Authority
from support.http2 import (
    DATA,
    ENHANCE_YOUR_CALM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Http2Client,
)
from support.listeners import channel, listening
from support.upstream import Upstream

from gateway.config.address import Address
from gateway.config.connections import ConnectionOptions
from gateway.config.listeners import ListenerOptions
from gateway.config.material import TlsFiles
from gateway.core.clock import SystemClock
from gateway.core.events import CallEnded, Events
from gateway.core.status import Code
from gateway.ingress.gate import Gate
from gateway.ingress.health import Health
from gateway.ingress.server import Server, ServerOptions

MIB = 1024 * 1024


class Handler(grpc.GenericRpcHandler):
    """Answers /t/Unary and /t/Stream by what a test says."""

    def __init__(self) -> None:
        self.inside = self.most = self.begun = self.written = self.ended = 0
        self.answer = b""
        self.until: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        if handler_call_details.method == "/t/Stream":
            return grpc.unary_stream_rpc_method_handler(self.stream)
        return grpc.unary_unary_rpc_method_handler(self.unary)

    async def unary(self, _request: bytes, _context: Any) -> bytes:
        self.begun += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.until()
            return self.answer
        finally:
            self.inside -= 1
            self.ended += 1

    async def stream(self, _request: bytes, context: Any) -> None:
        self.begun += 1
        try:
            while True:
                await context.write(self.answer)
                self.written += 1
        finally:
            self.ended += 1


@asynccontextmanager
async def serving(
    handler: grpc.GenericRpcHandler, tls: TlsFiles | None = None, **options: Any
) -> AsyncIterator[str]:
    clock, events = SystemClock(), Events()
    listener = ListenerOptions(listen=Address("127.0.0.1", 0), name="here", tls=tls)
    server = Server(
        ServerOptions(listeners=[listener], connections=ConnectionOptions(**options), grace_s=0.0),
        lambda _: handler,
        Gate(),
        Health([]),
        lambda: None,
        clock,
        events,
    )
    await server.start()
    try:
        yield str(server.addresses[0])
    finally:
        await server.drain()


async def unary(over: grpc.aio.Channel, metadata: Any = (), timeout: float = 10) -> str:
    try:
        await over.unary_unary("/t/Unary")(b"", metadata=metadata, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def soon(holds: Callable[[], bool], seconds: float = 5) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not holds():
        if loop.time() > end:
            return False
        await asyncio.sleep(0.01)
    return True


async def test_a_connection_too_many_is_refused_and_has_its_turn_later():
    async with serving(Handler(), max_connections=3) as address:
        open_ones = [channel(address) for _ in range(3)]
        assert [await unary(one) for one in open_ones] == ["OK"] * 3
        async with channel(address) as other:
            assert await unary(other) == "UNAVAILABLE"
        assert [await unary(one) for one in open_ones] == ["OK"] * 3
        await open_ones.pop().close()
        for _ in range(50):
            async with channel(address) as other:
                if await unary(other) == "OK":
                    break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("the place of the connection that ended stays taken")
        for one in open_ones:
            await one.close()


async def test_servers_that_share_a_port_share_its_connections_too():
    async with serving(Handler(), max_connections=400) as address:
        clients = [await Http2Client.connect(address) for _ in range(520)]
        for client in clients:
            client.read()
        await soon(lambda: sum(client.closed.is_set() for client in clients) >= 120)
        kept = sum(not client.closed.is_set() for client in clients)
        for client in clients:
            await client.close()
    assert 320 <= kept <= 400


async def test_calls_at_once_on_a_connection_are_bounded():
    handler = Handler()
    handler.until = lambda: asyncio.sleep(0.02)
    async with serving(handler, max_concurrent_streams=2) as address, channel(address) as over:
        for _ in range(3):
            codes = await asyncio.gather(*(unary(over) for _ in range(20)))
            assert set(codes) == {"OK"}
    assert handler.most <= 3  # one may be ending


async def test_a_client_that_ignores_the_bound_of_calls_gets_no_more_of_them():
    handler = Handler()
    never = asyncio.Event()
    handler.until = never.wait
    async with serving(handler, max_concurrent_streams=5) as address:
        async with await Http2Client.connect(address) as client:
            client.read()
            await soon(lambda: client.got[SETTINGS] > 0)
            for _ in range(200):
                client.call("/t/Unary")
            assert await soon(lambda: handler.inside == 5)
            await asyncio.sleep(0.3)  # that nothing comes any more can only be waited for
        assert handler.most <= 5
        assert handler.begun <= 5
        async with channel(address) as other:
            never.set()
            assert await unary(other) == "OK"


async def test_calls_that_are_begun_and_reset_at_once_are_bounded_too():
    handler = Handler()
    handler.until = asyncio.Event().wait
    async with serving(handler, max_concurrent_streams=5) as address:
        async with await Http2Client.connect(address) as client:
            client.read()
            for _ in range(100):
                begun = [client.call("/t/Unary") for _ in range(20)]
                await asyncio.sleep(0.005)
                for stream in begun:
                    client.reset(stream)
            assert await soon(lambda: handler.inside == 0)
        assert handler.begun > 10
        assert handler.most <= 10
        async with channel(address) as other:
            handler.until = lambda: asyncio.sleep(0)
            assert await unary(other) == "OK"


async def test_metadata_has_one_bound_and_no_chance():
    async with serving(Handler(), max_metadata_bytes=4096) as address, channel(address) as over:
        small = {await unary(over, [("x", "a" * 3000)]) for _ in range(10)}
        large = {await unary(over, [("x", "a" * 4200)]) for _ in range(10)}
        assert await unary(over) == "OK"
    assert small == {"OK"}
    assert large == {"RESOURCE_EXHAUSTED"}


async def test_a_client_that_pings_too_often_is_sent_away():
    async with serving(Handler(), min_ping_interval_s=0.3) as address:
        async with await Http2Client.connect(address) as client:
            client.read()
            for _ in range(4):
                client.ping()
            await asyncio.wait_for(client.closed.wait(), 5)
            assert client.goaway is not None
            assert client.goaway.error == ENHANCE_YOUR_CALM
            assert b"too_many_pings" in client.goaway.payload
        async with await Http2Client.connect(address) as patient:
            patient.read()
            for _ in range(5):
                patient.ping()
                await asyncio.sleep(0.35)  # gRPC's own clock counts pings
            assert patient.goaway is None
            assert not patient.closed.is_set()


async def test_a_client_that_does_not_answer_is_taken_for_gone():
    async with serving(Handler(), keepalive_interval_s=0.3, keepalive_timeout_s=0.3) as address:
        async with await Http2Client.connect(address) as there:
            async with await Http2Client.connect(address) as gone:
                gone.answers_pings = False
                for client in (there, gone):
                    client.read()
                await asyncio.wait_for(gone.closed.wait(), 5)
                await asyncio.sleep(0.7)  # twice gRPC's own interval
                assert not there.closed.is_set()
                assert there.got[PING] > 1


async def test_connections_end_at_their_age_give_or_take_a_tenth():
    loop = asyncio.get_running_loop()
    async with serving(Handler(), max_age_s=1.0) as address:
        clients = [await Http2Client.connect(address) for _ in range(24)]
        ages: list[float] = []

        async def age(client: Http2Client) -> None:
            begun_at = loop.time()
            client.read()
            await soon(lambda: client.goaway is not None)
            ages.append(loop.time() - begun_at)
            await asyncio.wait_for(client.closed.wait(), 5)
            await client.close()

        await asyncio.gather(*map(age, clients))
    assert min(ages) > 0.8
    assert max(ages) < 1.3
    assert max(ages) - min(ages) > 0.04


@pytest.mark.parametrize(("grace_s", "ends"), [(None, "OK"), (0.3, "UNAVAILABLE")])
async def test_calls_on_an_old_connection_have_the_grace(grace_s, ends):
    handler = Handler()
    handler.until = lambda: asyncio.sleep(1.5)  # longer than age and grace on gRPC's clock
    async with serving(handler, max_age_s=0.5, max_age_grace_s=grace_s) as address:
        async with channel(address, enable_retries=0) as over:
            assert await unary(over) == ends


async def test_no_call_fails_because_connections_end_of_age():
    async with serving(Handler(), max_age_s=0.2) as address, channel(address) as over:
        loop = asyncio.get_running_loop()
        end, codes = loop.time() + 1.5, set()
        while loop.time() < end:
            codes.add(await unary(over))
    assert codes == {"OK"}


@pytest.mark.parametrize("said", [b"", PREFACE[:10], PREFACE], ids=["nothing", "half", "preface"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_client_that_does_not_end_its_greeting_is_closed(said, secure, tmp_path):
    tls = None
    if secure:
        cert, key = Authority("CA").issue("localhost", dns=["localhost"]).write(tmp_path)
        tls = TlsFiles(cert=cert, key=key)
        said = said[:0] or b"\x16\x03\x01\x02\x00\x01"[: len(said)]
    loop = asyncio.get_running_loop()
    async with serving(Handler(), tls, handshake_timeout_s=0.5) as address:
        async with await Http2Client.connect(address, greet=False) as client:
            client.write(said)
            begun_at = loop.time()
            client.read()
            await asyncio.wait_for(client.closed.wait(), 5)
            assert loop.time() - begun_at < 2


def resident() -> int:
    gc.collect()
    size: int = psutil.Process().memory_info().rss
    return size


async def unread(address: str, path: str, streams: int, timeout: str) -> Http2Client:
    """Begin calls whose answers are not read: no window is given back."""
    client = await Http2Client.connect(address)
    client.read()
    for _ in range(streams):
        client.call(path, timeout=timeout)
    return client


async def unread_round(address: str, streams: int) -> int:
    """Return what the process holds while answers wait; each call has ended then."""
    client = await unread(address, "/t/Unary", streams, "1S")
    assert await soon(lambda: client.got[HEADERS] == streams)
    held = resident()
    # Trailers, or a reset: each of them is over, read or not.
    assert await soon(lambda: client.got[HEADERS] + client.got[RST_STREAM] >= 2 * streams)
    await client.close()
    return held


async def test_answers_that_nobody_reads_cost_what_they_are_and_end_at_the_deadline():
    handler = Handler()
    handler.answer = bytes(MIB)
    streams = 40
    async with serving(handler, max_concurrent_streams=streams) as address:
        before = resident()
        grown = [await unread_round(address, streams) - before for _ in range(4)]
    assert handler.ended == 4 * streams
    # One answer of a call, and one more on its way through the library; not one a round.
    assert max(grown) < 2.5 * streams * MIB
    assert grown[-1] < 1.5 * max(grown[0], streams * MIB)


async def test_a_stream_that_nobody_reads_is_written_no_further_and_ends_at_its_deadline():
    handler = Handler()
    handler.answer = bytes(64 * 1024)
    streams = 20
    async with serving(handler) as address:
        before = resident()
        client = await unread(address, "/t/Stream", streams, "2S")
        assert await soon(lambda: handler.begun == streams and client.got[DATA] > 0)
        await asyncio.sleep(0.5)  # until the buffers of both ends are full, however many those are
        written = handler.written
        grown = resident() - before
        await asyncio.sleep(0.5)  # that nothing more is written can only be waited for
        assert handler.written == written
        assert written < 10 * streams
        assert grown < 20 * streams * len(handler.answer)
        assert await soon(lambda: handler.ended == streams)
        await client.close()


async def test_a_slow_reader_of_an_upstreams_stream_holds_the_upstream_back(tmp_path: Path):
    sent = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await response.prepare(request)
        line = b'{"orderId": "' + b"a" * 16_000 + b'"}\n'
        while True:
            await response.write(line)
            sent += len(line)

    config = "listen: 127.0.0.1:0"
    async with Upstream(endless) as upstream, listening(config, tmp_path, upstream.url) as running:
        client = await unread(running.gateway.address, "/shop.v1.OrderService/WatchOrders", 1, "2S")
        assert await soon(lambda: client.got[DATA] > 0)
        await asyncio.sleep(0.7)
        early = sent
        await asyncio.sleep(0.7)
        assert sent == early
        assert early < 32 * MIB
        assert await soon(lambda: bool(running.of(CallEnded)))
        (ended,) = running.of(CallEnded)
        await client.close()
    assert ended.outcome.error.code is Code.DEADLINE_EXCEEDED
