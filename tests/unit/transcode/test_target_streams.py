import asyncio
import gc
import sys
from typing import Any

import pytest
from aiohttp import web
from support.upstream import RawUpstream, Upstream, in_turn, json_answer
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.bench import GET, NDJSON, Stream, bench_for, told, until

from gateway.core.errors import Origin, Reason, Sent
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code
from gateway.transcode.framing.choice import StreamOptions

# Streams


async def test_messages_are_delivered_as_they_arrive():
    stream = Stream(**{"X-Id": "7"})
    async with Upstream(stream) as upstream, bench_for(upstream.url, response=("x-id",)) as bench:
        call = bench.call(stream=True)
        task = asyncio.create_task(bench.target(call))
        await stream.begun.wait()
        stream.write(b'{"id": "1"}\n{"id": "2"}\r\n{"id"')
        await until(lambda: len(bench.received) == 2)
        stream.write(b': "3"}\n\n')
        await until(lambda: len(bench.received) == 3)
        stream.write(b'{"id": "4"}')
        stream.end()
        assert await task is SUCCESS
    assert [document.id for document in bench.received] == ["1", "2", "3", "4"]
    assert call.sent == 4
    assert call.trailing_metadata == [("x-id", "7")]


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/x-ndjson", "application/ndjson", "application/jsonl"),
        *("application/json-lines", "application/json; charset=utf-8", "application/x+json"),
    ],
)
async def test_stream_is_known_by_any_of_its_media_types(content_type):
    answer = told(b'{"id": "1"}\n{"id": "2"}\n', content_type)
    async with Upstream(answer) as upstream, bench_for(upstream.url) as bench:
        assert await bench.target(bench.call(stream=True)) is SUCCESS
    assert [document.id for document in bench.received] == ["1", "2"]


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "image/png"])
async def test_stream_of_another_media_type_is_an_error(content_type):
    answer = told(b'{"id": "1"}\n', content_type)
    async with Upstream(answer) as upstream, bench_for(upstream.url) as bench:
        error = await bench.failure(bench.call(stream=True))
    assert error.reason is Reason.UPSTREAM_INVALID_ANSWER
    assert error.upstream == "documents"
    assert bench.received == []


@pytest.mark.parametrize("status", [200, 204])
async def test_empty_stream_is_a_success_without_messages(status):
    async with Upstream(told(b"", NDJSON, status)) as upstream, bench_for(upstream.url) as bench:
        assert await bench.target(bench.call(stream=True)) is SUCCESS
    assert bench.received == []


async def test_each_message_of_a_stream_may_be_one_field():
    answer = told(b'[{"id": "1"}]\n[]\n', NDJSON)
    rule = GET | {"responseBody": "children"}
    async with Upstream(answer) as upstream, bench_for(upstream.url) as bench:
        assert await bench.target(bench.call(stream=True, **rule)) is SUCCESS
    assert bench.received == [pb.Document(children=[pb.Document(id="1")]), pb.Document()]


async def test_error_status_of_a_stream_is_understood():
    answer = json_answer({"message": "no such document"}, 404)
    async with Upstream(answer) as upstream, bench_for(upstream.url) as bench:
        error = await bench.failure(bench.call(stream=True))
    assert error.code is Code.NOT_FOUND
    assert error.message == "upstream 'documents' answered 404: no such document"


async def test_damaged_message_ends_the_stream_after_those_before_it():
    stream = Stream()
    async with Upstream(stream) as upstream, bench_for(upstream.url) as bench:
        stream.write(b'{"id": "1"}\n[oops]\n{"id": "3"}\n')
        error = await bench.failure(bench.call(stream=True))
        assert error.reason is Reason.UPSTREAM_INVALID_ANSWER
        assert error.upstream == "documents"
        await stream.gone.wait()
    assert [document.id for document in bench.received] == ["1"]


async def test_message_over_the_cap_ends_the_stream():
    stream = Stream()
    async with (
        Upstream(stream) as upstream,
        bench_for(upstream.url, max_response_bytes=50) as bench,
    ):
        stream.write(b'{"id": "1"}\n' + b" " * 60)
        error = await bench.failure(bench.call(stream=True))
        assert error.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
        assert error.upstream == "documents"
        await stream.gone.wait()
    assert [document.id for document in bench.received] == ["1"]


async def test_stream_that_breaks_off_is_a_reset_after_what_was_delivered():
    delivered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
            b'Transfer-Encoding: chunked\r\n\r\nc\r\n{"id": "1"}\n\r\n'
        )
        await delivered.wait()

    async def on_message() -> None:
        delivered.set()

    async with RawUpstream(serve) as upstream, bench_for(upstream.url) as bench:
        bench.on_message = on_message
        call = bench.call(stream=True)
        error = await bench.failure(call)
    assert error.reason is Reason.UPSTREAM_RESET
    assert error.sent is Sent.UNKNOWN
    assert call.sent == 1


async def test_stream_that_falls_silent_is_given_up():
    stream = Stream()
    async with (
        Upstream(stream) as upstream,
        bench_for(upstream.url, stream=StreamOptions(idle_timeout_s=30.0)) as bench,
    ):
        task = asyncio.create_task(bench.failure(bench.call(stream=True)))
        stream.write(b'{"id": "1"}\n')
        await until(lambda: bench.received and bench.clock.pending)
        bench.clock.advance(29.0)
        stream.write(b'{"id": "2"}\n')
        await until(lambda: len(bench.received) == 2 and bench.clock.pending)
        bench.clock.advance(29.0)
        assert not task.done()
        bench.clock.advance(1.0)
        error = await task
        await stream.gone.wait()
        assert bench.clock.pending == 0
    assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.STREAM_IDLE)
    assert error.message == "upstream 'documents' sent no message for 30 s"
    assert error.origin is Origin.UPSTREAM
    assert error.upstream == "documents"
    assert error.transient


async def test_slow_caller_is_not_taken_for_a_silent_upstream():
    caller_is_ready = asyncio.Event()
    async with (
        Upstream(told(b'{"id": "1"}\n{"id": "2"}\n', NDJSON)) as upstream,
        bench_for(upstream.url, stream=StreamOptions(idle_timeout_s=30.0)) as bench,
    ):
        bench.on_message = caller_is_ready.wait
        task = asyncio.create_task(bench.target(bench.call(stream=True)))
        await until(lambda: bench.received)
        bench.clock.advance(1_000.0)
        caller_is_ready.set()
        assert await task is SUCCESS
    assert len(bench.received) == 2


async def test_slow_caller_holds_the_upstream_back():
    written = 0
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n")
        line = b'{"id": "%s"}\n' % (b"x" * 10_000)
        for _ in range(5_000):
            writer.write(line)
            await writer.drain()
            written += len(line)

    async with RawUpstream(serve) as upstream, bench_for(upstream.url) as bench:
        bench.on_message = release.wait
        task = asyncio.create_task(bench.target(bench.call(stream=True)))
        await until(lambda: bench.received)
        before = -1
        while before != written:  # until no more fits into the sockets
            before = written
            for _ in range(200):
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        assert written < 40_000_000
        assert len(bench.received) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_cancelled_stream_closes_its_connection():
    stream = Stream()
    async with Upstream(stream) as upstream, bench_for(upstream.url) as bench:
        task = asyncio.create_task(bench.target(bench.call(stream=True)))
        stream.write(b'{"id": "1"}\n')
        await until(lambda: bench.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.gone.wait()
        await until(lambda: upstream.open_connections == 0)


async def test_stream_that_ends_early_leaves_no_generator_to_the_event_loop():
    left: list[Any] = []
    async with Upstream(told(b"{}\n[\n{}\n", NDJSON)) as upstream, bench_for(upstream.url) as bench:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=left.append)
        try:
            await bench.failure(bench.call(stream=True))
            gc.collect()
        finally:
            sys.set_asyncgen_hooks(*hooks)
    assert left == []


async def test_headers_of_a_stream_attempt_that_came_to_nothing_are_replaced():
    streams = in_turn(
        told(b"[\n", NDJSON),
        told(b"{}\n", NDJSON),
    )

    async def numbered(request: web.BaseRequest) -> web.StreamResponse:
        response = await streams(request)
        response.headers["X-Id"] = str(len(upstream.requests))
        return response

    async with Upstream(numbered) as upstream, bench_for(upstream.url, response=("x-id",)) as bench:
        call = bench.call(stream=True)
        call.trailing_metadata.append(("x-other", "kept"))
        await bench.failure(call)
        call.attempts = 2
        assert await bench.target(call) is SUCCESS
    assert call.trailing_metadata == [("x-other", "kept"), ("x-id", "2")]
