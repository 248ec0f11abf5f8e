"""What the lean client promises beyond what every client must do (test_client.py)."""

import asyncio
import random
import socket
import ssl
import threading
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock, FakeRng
from support.upstream import RawUpstream
from unit.downstream.sockets import OK, RESET, Reader, Writer, always, facts, fetch, head, request

from gateway.core.clock import SystemClock
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.http import HttpRequest, unsent
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions
from gateway.downstream.parse import AnswerParser

CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""Self-signed, for the name localhost; its key is of no use to anyone."""


@asynccontextmanager
async def client_of(url: str, *, clock: Any = None, rng: Any = None, **options: Any):
    made = ClientOptions(name="shop", url=url, **options)
    client = Http1Client(made, clock or SystemClock(), rng or FakeRng([0.0]))
    try:
        yield client
    finally:
        await client.close()
        assert not client._pool._all
        assert client._pool._open == 0


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await turns(1)


class Held:
    """An upstream that answers when told; `asked` counts the requests that came."""

    def __init__(self) -> None:
        self.asked = 0
        self.release = asyncio.Event()
        self.paths: list[str] = []

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        while asked := await head(reader):
            self.asked += 1
            self.paths.append(asked.split()[1].decode())
            await self.release.wait()
            writer.write(OK)


# Stale connections


class Stale:
    """Answers `uses` requests of a connection, then closes it under the next one."""

    def __init__(self, uses: int = 1, parting: bytes = b"", *, reset: bool = False) -> None:
        self.seen: list[bytes] = []
        self._uses, self._parting, self._reset = uses, parting, reset

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        for _ in range(self._uses):
            self.seen.append((await head(reader)).split()[0])
            writer.write(OK)
        self.seen.append((await head(reader)).split()[0])
        writer.write(self._parting)
        await writer.drain()
        if self._reset:
            linger = b"\x01\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_stale_connection_costs_a_safe_request_nothing(method, reset):
    stale = Stale(reset=reset)
    async with RawUpstream(stale) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        assert (await fetch(client, request(method))).status == 200
        assert upstream.connections == 2
    assert stale.seen == [b"GET", method.encode(), method.encode()]


async def test_a_stale_connection_costs_a_stream_nothing():
    async with RawUpstream(Stale()) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        async with client.open(request()) as answer:
            assert await answer.read_up_to(10) == b"{}"


async def test_a_request_is_repeated_once():
    stale = Stale(uses=0)
    async with RawUpstream(Stale()) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        upstream._answer = stale
        with pytest.raises(CallError) as raised:
            await fetch(client)
        assert facts(raised.value) == RESET
    assert stale.seen == [b"GET"]


async def test_a_fresh_connection_that_closes_is_not_repeated():
    stale = Stale(uses=0)
    async with RawUpstream(stale) as upstream, client_of(upstream.url) as client:
        with pytest.raises(CallError) as raised:
            await fetch(client)
        assert facts(raised.value) == RESET
    assert stale.seen == [b"GET"]


async def test_a_connection_that_closes_after_a_byte_is_not_repeated():
    stale = Stale(parting=b"H")
    async with RawUpstream(stale) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        with pytest.raises(CallError) as raised:
            await fetch(client)
        assert facts(raised.value) == RESET
    assert len(stale.seen) == 2


async def test_a_stale_connection_in_a_full_pool_makes_room_for_the_repetition():
    async with RawUpstream(Stale()) as upstream:
        async with client_of(upstream.url, max_connections=1) as client:
            for _ in range(3):
                assert (await fetch(client)).status == 200


@pytest.mark.parametrize("bytes_of_the_upstream", [b"", b"HTTP/1.1 408 Timeout\r\n\r\n"])
async def test_what_happens_to_a_waiting_connection_takes_it_out_at_once(bytes_of_the_upstream):
    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(bytes_of_the_upstream)

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        assert len(client._pool._free) == 1
        await until(lambda: not client._pool._free)
        assert (await fetch(client, request("POST"))).status == 200
        assert upstream.connections == 2


# Places


async def test_calls_are_served_in_the_order_they_came():
    held = Held()
    async with RawUpstream(held) as upstream:
        async with client_of(upstream.url, max_connections=1) as client:
            tasks = [asyncio.create_task(fetch(client, request(target=f"/{i}"))) for i in range(9)]
            await until(lambda: held.asked == 1)
            tasks[3].cancel()
            tasks[5].cancel()
            held.release.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert upstream.connections == 1
    assert held.paths == [f"/{i}" for i in (0, 1, 2, 4, 6, 7, 8)]


async def test_a_cancelled_holder_gives_its_place_to_the_next():
    held = Held()
    async with RawUpstream(held) as upstream:
        async with client_of(upstream.url, max_connections=1) as client:
            first = asyncio.create_task(fetch(client))
            await until(lambda: held.asked == 1)
            second = asyncio.create_task(fetch(client))
            await turns(2)
            first.cancel()
            await until(lambda: held.asked == 2)
            held.release.set()
            assert (await second).status == 200


async def test_a_call_that_is_cancelled_as_it_is_served_passes_on_what_it_got():
    held = Held()
    async with RawUpstream(held) as upstream:
        async with client_of(upstream.url, max_connections=1) as client:
            first = asyncio.create_task(fetch(client))
            await until(lambda: held.asked == 1)
            second, third = (asyncio.create_task(fetch(client)) for _ in range(2))
            await turns(2)
            waiting = client._pool._waiting[0]
            waiting.add_done_callback(lambda _: second.cancel())
            held.release.set()
            assert (await third).status == 200
            assert (await first).status == 200
            assert second.cancelled() or (await asyncio.wait([second]) and second.cancelled())


async def test_failed_connections_give_their_places_back():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with client_of(url, max_connections=2) as client:
            got = await asyncio.gather(*(fetch(client) for _ in range(20)), return_exceptions=True)
    assert {(e.reason, e.sent) for e in got} == {(Reason.UPSTREAM_UNREACHABLE, Sent.NOT_SENT)}


async def test_open_connections_never_exceed_the_maximum():
    most = now = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        try:
            for _ in range(3):
                await head(reader)
                await asyncio.sleep(0.001)
                writer.write(OK)
        finally:
            now -= 1

    async with RawUpstream(serve) as upstream:
        async with client_of(upstream.url, max_connections=4) as client:
            await asyncio.gather(*(fetch(client) for _ in range(200)))
            assert client._pool._open <= 4
    assert upstream.connections >= 200 / 3
    assert most <= 4 + 1  # the server learns of an end a moment later


async def test_the_connection_used_last_is_used_first():
    held = Held()
    async with RawUpstream(held) as upstream, client_of(upstream.url) as client:
        tasks = [asyncio.create_task(fetch(client)) for _ in range(3)]
        await until(lambda: held.asked == 3)
        held.release.set()
        await asyncio.gather(*tasks)
        last = client._pool._free[-1]
        for _ in range(3):
            await fetch(client)
            assert client._pool._free[-1] is last


# Ages


async def test_an_unused_connection_is_closed_at_its_time_and_others_are_not():
    clock = FakeClock()
    held = Held()
    async with RawUpstream(held) as upstream:
        async with client_of(upstream.url, clock=clock, idle_timeout_s=30) as client:
            tasks = [asyncio.create_task(fetch(client)) for _ in range(2)]
            await until(lambda: held.asked == 2)
            held.release.set()
            await asyncio.gather(*tasks)
            clock.advance(20)
            await fetch(client)
            clock.advance(10)
            await until(lambda: len(client._pool._all) == 1)
            clock.advance(19.9)
            await turns(3)
            assert len(client._pool._all) == 1
            clock.advance(0.2)
            await until(lambda: not client._pool._all)
            assert clock.pending == 0


@pytest.mark.parametrize(("draw", "age_s"), [(0.0, 100.0), (0.5, 95.0), (0.999, 90.01)])
async def test_a_connection_is_closed_at_its_age_shortened_by_up_to_a_tenth(draw, age_s):
    clock, rng = FakeClock(), FakeRng([draw])
    async with RawUpstream(always(OK)) as upstream:
        async with client_of(upstream.url, clock=clock, rng=rng, max_age_s=100.0) as client:
            await fetch(client)
            for _ in range(8):
                clock.advance((age_s - 0.01) / 8)
                await fetch(client)
            assert upstream.connections == 1
            clock.advance(0.02)
            await fetch(client)
            assert upstream.connections == 2


async def test_a_connection_that_comes_of_age_in_use_is_closed_behind_its_answer():
    clock, held = FakeClock(), Held()
    async with RawUpstream(held) as upstream:
        async with client_of(upstream.url, clock=clock, max_age_s=100.0) as client:
            task = asyncio.create_task(fetch(client))
            await until(lambda: held.asked == 1)
            clock.advance(200)
            held.release.set()
            assert (await task).status == 200
            await until(lambda: not client._pool._all)


# The end


async def test_close_fails_what_waits_and_what_is_under_way():
    held = Held()
    async with RawUpstream(held) as upstream:
        async with client_of(upstream.url, max_connections=1) as client:
            tasks = [asyncio.create_task(fetch(client)) for _ in range(3)]
            await until(lambda: held.asked == 1)
            await client.close()
            got = await asyncio.gather(*tasks, return_exceptions=True)
            assert [(e.reason, e.sent) for e in got] == [
                (Reason.DRAINING, Sent.UNKNOWN),
                (Reason.DRAINING, Sent.NOT_SENT),
                (Reason.DRAINING, Sent.NOT_SENT),
            ]
            with pytest.raises(CallError, match="closed its connections"):
                await fetch(client)


# Uploads


async def parts_of(*parts: bytes | BaseException, closed: list[bool] | None = None):
    try:
        for part in parts:
            if isinstance(part, BaseException):
                raise part
            yield part
    finally:
        if closed is not None:
            closed.append(True)


async def test_an_iterator_is_sent_in_chunks_and_the_connection_kept():
    bodies = []

    async def serve(reader: Reader, writer: Writer) -> None:
        while asked := await head(reader):
            assert b"transfer-encoding: chunked\r\n" in asked
            assert b"content-length" not in asked
            bodies.append(await reader.readuntil(b"0\r\n\r\n"))
            writer.write(OK)

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        for _ in range(2):
            body = parts_of(b"one", b"", b"t" * 20)
            assert (await fetch(client, HttpRequest("POST", "/", {}, body))).body == b"{}"
        assert upstream.connections == 1
    assert bodies == [b"3\r\none\r\n14\r\n" + b"t" * 20 + b"\r\n0\r\n\r\n"] * 2


async def test_what_an_iterator_raises_is_raised_and_closes_the_connection():
    wrong = CallError(0, Reason.INVALID_REQUEST, "the third message is wrong")
    closed = asyncio.Event()

    async def serve(reader: Reader, _writer: Writer) -> None:
        with suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"0\r\n\r\n")
        closed.set()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        for error in (wrong, ZeroDivisionError()):
            with pytest.raises(type(error)) as raised:
                await fetch(client, HttpRequest("POST", "/", {}, parts_of(b"one", error)))
            assert raised.value is error
            await closed.wait()
            closed.clear()


async def test_a_slow_upstream_holds_an_iterator_back():
    made = 0
    go_on = asyncio.Event()

    async def much():
        nonlocal made
        for _ in range(1_000):
            made += 1
            yield b"x" * 65_536

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        await go_on.wait()
        while b"0\r\n\r\n" not in await reader.read(1_000_000):
            pass
        writer.write(OK)

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        task = asyncio.create_task(fetch(client, HttpRequest("POST", "/", {}, much())))
        await until(lambda: made)
        await turns(30)
        assert made < 300  # what the sockets' buffers hold
        go_on.set()
        assert (await task).status == 200
        assert made == 1_000


@pytest.mark.parametrize("size", [None, 20_000_000])
async def test_an_early_answer_stops_the_upload_and_closes_the_connection(size):
    closed = []

    async def endless():
        try:
            while True:
                yield b"x" * 65_536
        finally:
            closed.append(True)

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.read()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        body = endless() if size is None else b"x" * size
        got = await fetch(client, HttpRequest("POST", "/", {}, body))
        assert (got.status, got.body) == (413, b"{}")
        await until(lambda: not client._pool._all)
        if size is None:
            await until(lambda: closed)


async def test_an_answer_streams_while_the_body_is_still_sent():
    to_send: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def body():
        while (part := await to_send.get()) is not None:
            yield part

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (line := (await reader.readline()).strip()) != b"0":
            part = await reader.readexactly(int(line, 16) + 2)
            writer.write(line + b"\r\n" + part)
        await reader.readline()
        writer.write(b"0\r\n\r\n")
        await reader.read()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        async with client.open(HttpRequest("POST", "/", {}, body())) as answer:
            chunks = answer.chunks()
            for part in (b"one", b"two", b"three"):
                to_send.put_nowait(part)
                assert await anext(chunks) == part
            to_send.put_nowait(None)
            assert [part async for part in chunks] == []
        assert len(client._pool._free) == 1


async def test_a_stream_that_is_left_stops_its_upload():
    closed: list[bool] = []

    async def body():
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.read()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        before = len(asyncio.all_tasks())
        async with client.open(HttpRequest("POST", "/", {}, body())) as answer:
            assert answer.status == 200
        await until(lambda: closed)
        await until(lambda: len(asyncio.all_tasks()) <= before)


# Memory


async def test_a_slow_reader_holds_the_upstream_back():
    written = 0

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal written
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while written < 100_000_000:
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000
        await reader.read()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        async with client.open(request()) as answer:
            chunks = answer.chunks()
            got = len(await anext(chunks))
            await turns(50)
            assert next(iter(client._pool._all))._size <= 128 * 1024 + 256 * 1024
            assert written < 30_000_000  # what the sockets' buffers hold
            async for part in chunks:
                got += len(part)
            assert got == 100_000_000


async def test_an_answer_outlives_neither_its_block_nor_its_connection():
    async with RawUpstream(always(OK)) as upstream, client_of(upstream.url) as client:
        async with client.open(request()) as answer:
            pass
        with pytest.raises(RuntimeError, match="has been closed"):
            await answer.read_up_to(1)


# Heads


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ({"x": "a\r\nb: c"}, "/"),
        ({"x": "a\n"}, "/"),
        ({"x": "a\0"}, "/"),
        ({"x\r\n": "a"}, "/"),
        ({}, "/ HTTP/1.1"),
        ({}, "/\r\nx: y"),
    ],
)
async def test_what_would_end_a_line_is_not_sent(headers, target):
    async with RawUpstream(always(OK)) as upstream, client_of(upstream.url) as client:
        with pytest.raises(CallError) as raised:
            await fetch(client, HttpRequest("GET", target, headers))
        assert (raised.value.reason, raised.value.sent) == (Reason.INTERNAL, Sent.NOT_SENT)
        assert upstream.connections == 0


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (b"A: 1\r\na: 2\r\nA:3\r\n", {"a": "1, 2, 3"}),
        (b"Set-Cookie: a\r\nSet-Cookie: b\r\n", {"set-cookie": "a"}),
        (b"X: \xe4\r\nEmpty:\r\n", {"x": "ä", "empty": ""}),
        (b"ETag: x\r\nWWW-Authenticate: y\r\nCONTENT-TYPE: z\r\n",
         {"etag": "x", "www-authenticate": "y", "content-type": "z"}),
    ],
)  # fmt: skip
async def test_headers_are_lower_case_and_repeated_ones_are_joined(lines, headers):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + lines + b"\r\n"
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        assert (await fetch(client)).headers == {"content-length": "0"} | headers


@pytest.mark.parametrize(
    "head_lines",
    [
        b"X: " + b"x" * 2_000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % i for i in range(130)),
        b"X: y\r\n" * 140,
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Length: 0\r\nContent-Length: 0\r\n",
        b"X: folded\r\n over\r\n",
        b"X : spaced\r\n",
    ],
)
async def test_a_head_out_of_bounds_is_invalid_and_closes_the_connection(head_lines):
    answer = b"HTTP/1.1 200 OK\r\n" + head_lines + b"\r\n0\r\n\r\n"
    async with RawUpstream(always(answer)) as upstream:
        async with client_of(upstream.url, max_header_bytes=1_500) as client:
            with pytest.raises(CallError) as raised:
                await fetch(client)
            assert raised.value.reason is Reason.UPSTREAM_INVALID_ANSWER
            await until(lambda: not client._pool._all)


@pytest.mark.parametrize(("count", "fine"), [(16, True), (17, False)])
async def test_sixteen_informational_answers_are_passed_over(count, fine):
    answer = b"HTTP/1.1 102 Processing\r\n\r\n" * count + OK
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        if fine:
            assert (await fetch(client)).status == 200
        else:
            with pytest.raises(CallError, match="not HTTP"):
                await fetch(client)


# Cancels


@pytest.mark.parametrize("loop_count", [1_500, pytest.param(10_000, marks=pytest.mark.full)])
async def test_cancels_at_any_moment_leave_no_socket_no_task_and_no_place(loop_count):
    rng = random.Random(20261122)
    sockets = Counter()

    async def serve(reader: Reader, writer: Writer) -> None:
        sockets["open"] += 1
        try:
            while asked := await head(reader):
                if asked.startswith(b"POST"):
                    await reader.readuntil(b"0\r\n\r\n")
                for part in (OK[:20], OK[20:-1], OK[-1:]):
                    if rng.random() < 0.5:
                        await asyncio.sleep(rng.random() * 0.004)
                    if writer.transport.is_closing():
                        return  # uvloop raises where it is written to
                    writer.write(part)
                    await writer.drain()
        finally:
            sockets["open"] -= 1

    async def slow_body():
        for _ in range(3):
            await asyncio.sleep(rng.random() * 0.002)
            yield b"x"

    async def one(client: Http1Client) -> None:
        kind = rng.random()
        if kind < 0.5:
            await fetch(client)
        elif kind < 0.75:
            await fetch(client, HttpRequest("POST", "/", {}, slow_body()))
        else:
            async with client.open(request()) as answer:
                assert await answer.read_up_to(10) == b"{}"

    async with RawUpstream(serve) as upstream:
        async with client_of(upstream.url, max_connections=10) as client:
            idle_tasks = len(asyncio.all_tasks())
            outcomes = Counter()

            async def worker() -> None:
                for _ in range(loop_count // 25):
                    task = asyncio.create_task(one(client))
                    await asyncio.sleep(rng.random() * 0.012)
                    task.cancel()
                    (got,) = await asyncio.gather(task, return_exceptions=True)
                    outcomes[type(got)] += 1

            await asyncio.gather(*(worker() for _ in range(25)))
            assert set(outcomes) == {asyncio.CancelledError, type(None)}
            assert min(outcomes.values()) > loop_count * 0.02
            pool = client._pool
            await until(lambda: pool._open == len(pool._free) == len(pool._all))
            assert not pool._waiting
            await until(lambda: sockets["open"] == pool._open)
            # What is kept has a task of the server each.
            await until(lambda: len(asyncio.all_tasks()) <= idle_tasks + sockets["open"])
            assert (await fetch(client)).status == 200


class ClosingThread:
    """A server in a thread: answers one request of each connection, closes it when told."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.close_now, self.closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for _ in range(2):
            connection, _ = self._listener.accept()
            connection.recv(65_536)
            connection.sendall(OK)
            self.close_now.wait()
            connection.close()
            self.closed.set()

    def stop(self) -> None:
        self.close_now.set()
        self._thread.join()
        self._listener.close()


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_an_end_that_the_event_loop_has_not_seen_yet_costs_no_request(method):
    server = ClosingThread()
    async with client_of(server.url) as client:
        await fetch(client, request(method))
        server.close_now.set()
        assert server.closed.wait(5)  # and the event loop had no turn
        assert (await fetch(client, request(method, body=b"{}"))).status == 200
        server.stop()


# TLS


@asynccontextmanager
async def silent_tls():
    """A server that accepts and never shakes hands; yields its URL and its connections."""
    open_now = Counter()

    async def serve(reader: Reader, _writer: Writer) -> None:
        open_now["open"] += 1
        open_now["ever"] += 1
        with suppress(ConnectionError):
            await reader.read()
            await reader.read()
        open_now["open"] -= 1

    async with RawUpstream(serve) as upstream:
        yield upstream.url.replace("http:", "https:"), open_now


async def test_a_cancel_during_the_handshake_leaves_it_to_the_next_call():
    async with silent_tls() as (url, connections):
        async with client_of(url, max_connections=1, connect_timeout_s=0.3) as client:
            for _ in range(3):
                task = asyncio.create_task(fetch(client))
                await until(lambda: connections["ever"])
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as cancelled:
                    await task
                waited_for = unsent(cancelled.value)
                assert waited_for is not None
                assert waited_for.reason is Reason.UPSTREAM_UNREACHABLE
            assert connections["ever"] == 1
            with pytest.raises(CallError, match="connecting took too long"):
                await fetch(client)
            assert connections["ever"] == 1
            assert client._pool._open == 0
            await until(lambda: not connections["open"])


async def test_a_handshake_that_takes_too_long_was_not_sent():
    async with silent_tls() as (url, connections):
        async with client_of(url, connect_timeout_s=0.05) as client:
            with pytest.raises(CallError, match="connecting took too long") as raised:
                await fetch(client)
            assert raised.value.sent is Sent.NOT_SENT
            await until(lambda: not connections["open"])


async def test_only_http1_is_offered_and_the_connection_is_kept():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    context.set_alpn_protocols(["h2", "http/1.1"])
    agreed = []

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await head(reader):
                agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
                writer.write(OK)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with client_of(url, ca_file=str(CERTIFICATE)) as client:
            for method in ("GET", "POST", "GET"):
                await fetch(client, request(method))
                await turns(2)
            assert len(client._pool._all) == 1
    assert agreed == ["http/1.1"] * 3


def test_tiny_chunks_do_not_cost_more_than_they_hold():
    parser = AnswerParser("orders", 64 * 1024)
    parser._expect(no_body=False, max_body=1_000_000, max_error=0)
    parser._parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    most = 0
    for _ in range(20_000):
        parser._parser.feed_data(b"2\r\nab\r\n")
        most = max(most, len(parser._parts))
    assert most < 1000
    assert b"".join(parser._parts) == b"ab" * 20_000


async def test_a_request_that_must_not_be_repeated_is_not():
    stale = Stale()
    async with RawUpstream(stale) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        once = request()
        once.repeatable = False
        with pytest.raises(CallError) as raised:
            await fetch(client, once)
        assert facts(raised.value) == RESET
    assert stale.seen == [b"GET", b"GET"]


@pytest.mark.parametrize(
    ("told", "left"), [("5.000", "4.500"), ("0.020", "0.001"), ("a while", "a while"), (None, None)]
)
async def test_what_a_request_waited_for_its_place_is_taken_off_the_time_it_tells(told, left):
    seen: list[str | None] = []
    release = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        while True:
            lines = (await head(reader)).decode().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines[1:] if line)
            seen.append(fields.get("x-server-timeout"))
            await release.wait()
            writer.write(OK)

    def timed() -> HttpRequest:
        return HttpRequest("GET", "/v1", {} if told is None else {"x-server-timeout": told}, None)

    clock = FakeClock()
    async with RawUpstream(serve) as upstream:
        options = ClientOptions(name="shop", url=upstream.url, max_connections=1)
        client = Http1Client(options, clock, FakeRng())
        first = asyncio.create_task(fetch(client, timed()))
        await until(lambda: seen)
        second = asyncio.create_task(fetch(client, timed()))
        await turns(3)
        clock.advance(0.5)
        release.set()
        await asyncio.gather(first, second)
        await client.close()
    assert seen == [told, left]


async def test_what_an_earlier_sending_took_is_taken_off_too():
    seen: list[str] = []
    clock = FakeClock()

    async def serve(reader: Reader, writer: Writer) -> None:
        while True:
            lines = (await head(reader)).decode().split("\r\n")
            seen.append(next(line for line in lines if "x-server-timeout" in line))
            if len(seen) == 2:
                clock.advance(2.0)
                return  # without a byte
            writer.write(OK)

    async with RawUpstream(serve) as upstream:
        client = Http1Client(ClientOptions(name="shop", url=upstream.url), clock, FakeRng())
        for _ in range(2):
            await fetch(client, HttpRequest("GET", "/v1", {"x-server-timeout": "5.000"}))
        await client.close()
    assert [line[18:] for line in seen] == ["5.000", "5.000", "3.000"]
