"""A client stream as one newline-delimited body: as it comes, held back, cut, refused."""

import asyncio
import json

import grpc
import pytest
from aiohttp import web
from composition.streams import failure_of, feed_gateway, forever, lines_of, until
from fakes.clock import FakeRng
from feed.v1 import feed_pb2 as pb
from feed.v1 import feed_pb2_grpc
from seawall_client import read_failure
from support.upstream import Upstream

from gateway.core.events import AttemptEnded, CallEnded, DrainStage
from gateway.core.outcome import Kind
from gateway.core.status import Code


def stub(running) -> feed_pb2_grpc.FeedServiceStub:
    return feed_pb2_grpc.FeedServiceStub(running.channel)


def entry(number: int, **more: object) -> pb.Entry:
    return pb.Entry(shelf="a/b", item=pb.Item(id=str(number)), **more)


async def count_lines(request: web.BaseRequest) -> web.StreamResponse:
    found = [item async for item in lines_of(request)]
    return web.json_response({"count": len(found)})


class Uploads(Upstream):
    """An upstream that reads bodies itself."""

    def __init__(self, handler) -> None:
        super().__init__(handler)
        self.record = False
        self.seen: list[tuple[str, dict[str, str]]] = []

    async def _handle(self, request):
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.seen.append((f"{request.method} {request.raw_path}", headers))
        return await super()._handle(request)


async def test_messages_are_the_lines_of_one_body():
    bodies = []

    async def handler(request):
        bodies.append(await request.read())
        return web.json_response({"count": 3})

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        answer = await stub(running).Upload(iter([entry(1, dry_run=True), entry(2), entry(3)]))
    assert answer == pb.Summary(count=3)
    assert bodies == [b'{"id":"1"}\n{"id":"2"}\n{"id":"3"}\n']
    ((request, headers),) = upstream.seen
    assert request == "POST /v1/shelves/a%2Fb/items?dryRun=true"
    assert headers["content-type"] == "application/x-ndjson"
    assert headers["accept"] == "application/json"
    assert headers["transfer-encoding"] == "chunked"


async def test_a_message_reaches_the_upstream_before_the_next_is_made():
    lines: list[dict[str, str]] = []

    async def handler(request):
        async for item in lines_of(request):
            lines.append(item)  # noqa: PERF401
        return web.json_response({"count": len(lines)})

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Upload()
        for number in range(5):
            await call.write(entry(number))
            await until(lambda number=number: len(lines) == number + 1)
        await call.done_writing()
        assert (await call).count == 5


async def test_a_slow_upstream_holds_the_caller_back():
    release = asyncio.Event()
    written = 0
    big = pb.Item(text="x" * 60_000)

    async def handler(request):
        await release.wait()
        return await count_lines(request)

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).UploadAll()

        async def write() -> None:
            nonlocal written
            for _ in range(2_000):
                await call.write(big)
                written += 1
            await call.done_writing()

        writing = asyncio.create_task(write())
        last = -1
        while last != written:  # until nothing moves any more
            last = written
            await asyncio.sleep(0.15)
        assert 0 < written < 1_000
        release.set()
        await writing
        assert (await call).count == 2_000


async def test_an_empty_stream_is_an_empty_body():
    async with Uploads(count_lines) as upstream, feed_gateway(upstream.url) as running:
        assert (await stub(running).UploadAll(iter([]))).count == 0
    assert [request for request, _ in upstream.seen] == ["POST /v1/items:all"]


async def test_an_empty_stream_that_the_path_needs_is_an_invalid_argument():
    async with Uploads(count_lines) as upstream, feed_gateway(upstream.url) as running:
        error = await failure_of(stub(running).Upload(iter([])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "ended before its first message" in (error.details() or "")
    assert upstream.seen == []


async def test_a_message_that_is_none_ends_the_call_and_the_connection():
    async with Uploads(count_lines) as upstream, feed_gateway(upstream.url) as running:
        call = running.channel.stream_unary("/feed.v1.FeedService/UploadAll")()
        await call.write(pb.Item(id="1").SerializeToString())
        await until(lambda: upstream.seen)
        await call.write(b"\xff")
        error = await failure_of(call)
        await until(lambda: upstream.open_connections == 0)
        (ended,) = running.of(AttemptEnded)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "message 2 of the stream is not a valid feed.v1.Item message"
    assert read_failure(error).origin == "caller"
    assert ended.outcome.kind is Kind.IGNORED


async def test_a_message_over_the_bound_ends_the_call(tmp_path):
    config = "defaults: {method: {sizes: {max_request_bytes: 1000}}}"
    async with (
        Uploads(count_lines) as upstream,
        feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        items = [pb.Item(), pb.Item(), pb.Item(text="x" * 1_000)]
        error = await failure_of(stub(running).UploadAll(iter(items)))
        await until(lambda: upstream.open_connections == 0)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (error.details() or "").startswith("message 3 of the stream has 1003 bytes")


async def test_an_answer_before_the_end_of_the_body_ends_the_upload():
    async def handler(request):
        await request.content.readline()
        return web.json_response({"message": "no more"}, status=413)

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).UploadAll()
        await call.write(pb.Item(id="1"))
        error = await failure_of(call)
        await until(lambda: upstream.open_connections == 0)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "answered 413: no more" in (error.details() or "")


async def test_an_early_answer_that_is_a_success_is_the_answer():
    async def handler(request):
        await request.content.readline()
        return web.json_response({"count": 1})

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).UploadAll()
        await call.write(pb.Item(id="1"))
        assert (await call).count == 1
        await until(lambda: upstream.open_connections == 0)


async def test_a_cancel_closes_the_upstreams_socket():
    async with Uploads(count_lines) as upstream, feed_gateway(upstream.url) as running:
        idle = len(asyncio.all_tasks())
        call = stub(running).UploadAll()
        await call.write(pb.Item(id="1"))
        await until(lambda: upstream.seen)
        call.cancel()
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: running.of(CallEnded))
        await until(lambda: len(asyncio.all_tasks()) <= idle)
        (ended,) = running.of(CallEnded)
    assert ended.code is Code.CANCELLED


async def test_a_cancelled_stream_is_never_taken_for_a_whole_one():
    whole = begun = 0

    async def handler(request):
        nonlocal whole, begun
        begun += 1
        answer = await count_lines(request)
        whole += 1
        return answer

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        for i in range(200):
            call = stub(running).UploadAll()
            await call.write(pb.Item(id="1"))
            await asyncio.sleep(0.001 * (i % 7))
            call.cancel()
        await until(lambda: upstream.open_connections == 0)
    assert begun > 20
    assert whole == 0


async def test_the_deadline_ends_a_stream_that_stands_still_and_blames_nobody():
    async with Uploads(count_lines) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).UploadAll(timeout=0.3)
        await call.write(pb.Item(id="1"))
        error = await failure_of(call)
        await until(lambda: upstream.open_connections == 0)
        (ended,) = running.of(AttemptEnded)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ended.outcome.kind is Kind.IGNORED


async def test_the_first_message_is_waited_for_within_the_deadline():
    async with Uploads(count_lines) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).UploadAll(timeout=0.2)
        error = await failure_of(call)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert upstream.seen == []


async def test_a_stream_of_one_message_is_tried_again():
    answers = [503, 200]
    bodies = []

    async def handler(request):
        bodies.append(await request.read())
        return web.json_response({"count": 1}, status=answers.pop(0))

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        answer = await stub(running).UploadAll(iter([pb.Item(id="1")]))
    assert answer.count == 1
    assert bodies == [b'{"id":"1"}\n'] * 2


async def test_a_stream_whose_messages_are_gone_is_not_tried_again():
    async def handler(request):
        await request.read()
        return web.json_response({}, status=503)

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        error = await failure_of(stub(running).UploadAll(iter([pb.Item()] * 2)))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "part of the caller's stream was already sent" in (error.details() or "")
    assert len(upstream.seen) == 1


async def test_an_upstream_that_refuses_the_connection_is_tried_again_with_every_message(tmp_path):
    probe = Uploads(count_lines)
    async with probe:
        url, port = probe.url, int(probe.url.rpartition(":")[2])
    bodies = []

    async def handler(request):
        bodies.append(await request.read())
        return web.json_response({"count": 3})

    # The second attempt may not come before the upstream does: two refusals make it unreachable.
    waits = "defaults: {method: {retry: {initial_backoff: 0.5s}}}"
    late = FakeRng([0.99])
    async with feed_gateway(url, config=waits, tmp_path=tmp_path, rng=late) as running:
        call = stub(running).UploadAll(iter([pb.Item(id=str(i)) for i in range(3)]))
        await until(lambda: running.of(AttemptEnded))
        async with Upstream(handler, port=port) as upstream:
            upstream.record = False
            assert (await call).count == 3
    assert [json.loads(text)["id"] for text in bodies[0].splitlines()] == ["0", "1", "2"]


@pytest.mark.parametrize("count", [3])
async def test_an_upstream_that_never_answers_is_cut_by_the_deadline(count):
    async def handler(request):
        await request.read()
        await forever()

    async with Uploads(handler) as upstream, feed_gateway(upstream.url) as running:
        error = await failure_of(stub(running).UploadAll(iter([pb.Item()] * count), timeout=0.3))
        await until(lambda: upstream.open_connections == 0)
        (ended,) = running.of(AttemptEnded)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ended.outcome.kind is Kind.FAILURE


async def test_a_drain_cuts_an_upload_that_outlasts_its_grace_and_says_so(tmp_path):
    whole = False

    async def handler(request):
        nonlocal whole
        answer = await count_lines(request)
        whole = True
        return answer

    config = "drain: {grace: 0.1s}"
    async with Uploads(handler) as upstream:
        async with feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running:
            call = stub(running).UploadAll()
            await call.write(pb.Item(id="1"))
            await until(lambda: upstream.seen)
            stopping = asyncio.create_task(running.gateway.stop())
            error = await failure_of(call)
            await stopping
        await until(lambda: upstream.open_connections == 0)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert read_failure(error).reason == "DRAINING"
    assert not whole


async def test_an_upload_that_ends_within_the_grace_is_answered(tmp_path):
    config = "drain: {grace: 20s}"
    async with Uploads(count_lines) as upstream:
        async with feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running:
            call = stub(running).UploadAll()
            await call.write(pb.Item(id="1"))
            await until(lambda: upstream.seen)
            stopping = asyncio.create_task(running.gateway.stop())
            await until(lambda: [e for e in running.of(DrainStage) if e.stage == "STOPPING"])
            await call.write(pb.Item(id="2"))
            await call.done_writing()
            assert (await call).count == 2
            await stopping
