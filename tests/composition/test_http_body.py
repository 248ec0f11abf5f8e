"""google.api.HttpBody: bodies of any kind, in and out, whole and in parts."""

import asyncio
import os

import grpc
import pytest
from aiohttp import web
from composition.streams import begin, failure_of, feed_gateway, forever, until
from feed.v1 import feed_pb2 as pb
from feed.v1 import feed_pb2_grpc
from google.api.httpbody_pb2 import HttpBody
from support.upstream import Upstream, json_answer

KEY = pb.Key(shelf="a")
PNG = bytes(range(256))


def stub(running) -> feed_pb2_grpc.FeedServiceStub:
    return feed_pb2_grpc.FeedServiceStub(running.channel)


def told(body: bytes, content_type: str | None, status: int = 200):
    async def handler(_request):
        headers = {} if content_type is None else {"content-type": content_type}
        return web.Response(body=body, status=status, headers=headers)

    return handler


# Answers


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/png", PNG),
        ("text/html; charset=latin-1", b"<h1>\xe9</h1>"),
        ("application/json", b"{not json"),
        ("text/plain", b""),
    ],
)
async def test_an_answer_is_data_and_content_type(content_type, body):
    async with (
        Upstream(told(body, content_type)) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        answer = await stub(running).Fetch(KEY)
        file = await stub(running).FetchField(KEY)
    assert answer == HttpBody(content_type=content_type, data=body)
    assert file == pb.File(body=answer)
    assert upstream.headers[0]["accept"] == "*/*"


async def test_an_answer_without_a_body_is_the_empty_message():
    async with Upstream(told(b"", None, 204)) as upstream, feed_gateway(upstream.url) as running:
        assert (await stub(running).Fetch(KEY)).data == b""


async def test_an_error_status_is_an_error_as_ever():
    async with (
        Upstream(json_answer({"message": "no file"}, 404)) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        for call in (stub(running).Fetch(KEY), stub(running).Download(KEY)):
            error = await failure_of(call)
            assert error.code() is grpc.StatusCode.NOT_FOUND
            assert "no file" in (error.details() or "")


async def test_an_answer_over_the_bound_is_refused(tmp_path):
    config = "defaults: {method: {sizes: {max_response_bytes: 1000}}}"
    async with (
        Upstream(told(b"x" * 1_001, "image/png")) as upstream,
        feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        error = await failure_of(stub(running).Fetch(KEY))
        parts = [part.data async for part in stub(running).Download(KEY)]
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert b"".join(parts) == b"x" * 1_001
    assert max(map(len, parts)) <= 1_000


# Downloads


async def test_a_download_arrives_in_parts_of_bounded_size():
    whole = os.urandom(3_000_000)
    async with (
        Upstream(told(whole, "video/mp4")) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        parts = [part async for part in stub(running).Download(KEY)]
    assert b"".join(part.data for part in parts) == whole
    assert [part.content_type for part in parts] == ["video/mp4"] + [""] * (len(parts) - 1)
    assert max(len(part.data) for part in parts) <= 256 * 1024
    assert len(parts) >= 12


async def test_a_part_is_delivered_before_the_next_is_made():
    delivered = asyncio.Event()

    async def handler(request):
        response = await begin(request, "audio/ogg")
        await response.write(b"a")
        await delivered.wait()
        await response.write(b"b")
        return response

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Download(KEY)
        assert (await call.read()) == HttpBody(content_type="audio/ogg", data=b"a")
        delivered.set()
        assert (await call.read()) == HttpBody(data=b"b")
        assert await call.read() is grpc.aio.EOF


async def test_an_empty_download_still_tells_its_type():
    async with Upstream(told(b"", "text/csv")) as upstream, feed_gateway(upstream.url) as running:
        parts = [part async for part in stub(running).Download(KEY)]
    assert parts == [HttpBody(content_type="text/csv")]


async def test_a_cancelled_download_closes_the_upstreams_socket():
    async def handler(request):
        response = await begin(request, "audio/ogg")
        await response.write(b"a")
        await forever()
        return response

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Download(KEY)
        await call.read()
        call.cancel()
        await until(lambda: upstream.open_connections == 0)


# Requests


async def test_a_request_is_data_with_its_content_type():
    body = HttpBody(content_type="image/png", data=PNG)
    async with (
        Upstream(json_answer({"count": 1})) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        assert (await stub(running).StoreRaw(body)).count == 1
        await stub(running).Store(pb.File(name="n", note="q", body=body))
        await stub(running).StoreRaw(HttpBody(data=b"x"))
        await stub(running).Store(pb.File(name="n"))
    assert upstream.requests[:2] == ["POST /v1/files", "PUT /v1/files/n?note=q"]
    assert upstream.bodies == [PNG, PNG, b"x", b""]
    assert [headers.get("content-type") for headers in upstream.headers] == [
        *("image/png", "image/png", "application/octet-stream", None)
    ]


@pytest.mark.parametrize("content_type", ["a\r\nx-evil: 1", "ü", "a\x00"])
async def test_a_content_type_that_is_no_header_is_an_invalid_argument(content_type):
    async with Upstream(json_answer({})) as upstream, feed_gateway(upstream.url) as running:
        body = HttpBody(content_type=content_type, data=b"x")
        error = await failure_of(stub(running).StoreRaw(body))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "content_type" in (error.details() or "")
    assert upstream.requests == []


async def test_a_client_stream_of_bodies_is_one_body_in_parts():
    files = [
        pb.File(name="n", note="q", body=HttpBody(content_type="image/png", data=PNG)),
        pb.File(body=HttpBody(content_type="ignored")),
        pb.File(body=HttpBody(data=b"more")),
    ]
    async with (
        Upstream(json_answer({"count": 3})) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        assert (await stub(running).Send(iter(files))).count == 3
    assert upstream.requests == ["POST /v1/files/n?note=q"]
    assert upstream.bodies == [PNG + b"more"]
    assert upstream.headers[0]["content-type"] == "image/png"
