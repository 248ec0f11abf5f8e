"""Each framing of a server stream, over real sockets, found by itself or declared."""

import asyncio
import json

import grpc
import pytest
from composition.streams import NDJSON, begin, failure_of, feed_gateway, forever, until
from feed.v1 import feed_pb2 as pb
from feed.v1 import feed_pb2_grpc
from google.protobuf import struct_pb2
from google.rpc import error_details_pb2, status_pb2
from support.upstream import Upstream

SSE = "text/event-stream"
KEY = pb.Key(shelf="a")
SPACED = json.dumps({"id": "1"}, indent=1).encode()


def stub(running) -> feed_pb2_grpc.FeedServiceStub:
    return feed_pb2_grpc.FeedServiceStub(running.channel)


def streamed(*parts: bytes, content_type: str = NDJSON):
    async def handler(request):
        response = await begin(request, content_type)
        for part in parts:
            await response.write(part)
        return response

    return handler


BODIES = [
    (NDJSON, b'{"id":"1"}\n{"id":"2"}\n'),
    ("application/json", b'{"id":"1"}\n{"id":"2"}\n'),
    ("application/json", b'[{"id":"1"},\n {"id":"2"}]'),
    ("application/json", SPACED + b'\n{\n"id": "2"}'),
    ("application/json-seq", b'\x1e{"id":"1"}\n\x1e{"id":"2"}\n'),
    (f"{SSE}; charset=utf-8", b': hello\nid: 7\ndata: {"id":\ndata: "1"}\n\ndata:{"id":"2"}\n\n'),
    (SSE, b'data: {"id":"1"}\r\n\r\ndata: {"id":"2"}\r\n\r\ndata: [DONE]\r\n\r\ndata: {"x'),
    (NDJSON, b'{"result":{"id":"1"}}\n{"result":{"id":"2"}}\n'),
    (SSE, b'data: {"result":{"id":"1"}}\n\ndata: {"result":{"id":"2"}}\n\n'),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
async def test_the_framing_is_found_by_content_type_and_first_byte(content_type, body):
    async with (
        Upstream(streamed(body, content_type=content_type)) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        answers = [item.id async for item in stub(running).Watch(KEY)]
    assert answers == ["1", "2"]
    assert upstream.headers[0]["accept"].split(",")[0] == NDJSON


@pytest.mark.parametrize(
    ("format_", "accept", "content_type", "body"),
    [
        ("NEWLINE_DELIMITED_JSON", NDJSON, "text/plain", b'{"id":"1"}\n{"id":"2"}'),
        ("SERVER_SENT_EVENTS", SSE, SSE, b'data: {"id":"1"}\n\ndata: {"id":"2"}\n\n'),
        ("JSON_ARRAY", "application/json", "application/json", b'[{"id":"1"},{"id":"2"}]'),
    ],
)
async def test_a_declared_framing_is_asked_for_and_taken(
    format_, accept, content_type, body, tmp_path
):
    config = f"defaults: {{method: {{stream: {{format: {format_}}}}}}}"
    async with (
        Upstream(streamed(body, content_type=content_type)) as upstream,
        feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        assert [item.id async for item in stub(running).Watch(KEY)] == ["1", "2"]
        upstream.handler = streamed(b"", content_type="image/png")
        error = await failure_of(stub(running).Watch(KEY))
    assert upstream.headers[0]["accept"].split(",")[0] == accept
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "'image/png'" in (error.details() or "")


@pytest.mark.parametrize(
    ("content_type", "first", "then"),
    [
        (NDJSON, b'{"id":"1"}\n', b'{"id":"2"}\n'),
        (SSE, b'data: {"id":"1"}\n\n', b'data: {"id":"2"}\n\n'),
        ("application/json", b'[{"id":"1"}', b',{"id":"2"}]'),
        ("application/json", b'{"id":"1"}', b'{"id":"2"}'),
        ("application/json-seq", b'\x1e{"id":"1"}', b'\x1e{"id":"2"}'),
    ],
)
async def test_a_message_is_delivered_with_its_last_byte(content_type, first, then):
    delivered = asyncio.Event()

    async def handler(request):
        response = await begin(request, content_type)
        await response.write(first)
        await delivered.wait()
        await response.write(then)
        return response

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Watch(KEY)
        assert (await call.read()).id == "1"
        delivered.set()
        assert (await call.read()).id == "2"
        assert await call.read() is grpc.aio.EOF


async def test_arrays_are_messages_where_a_message_is_an_array():
    body = b'[{"id":"1"},{"id":"2"}]\n[]\n'
    async with (
        Upstream(streamed(body, content_type="application/json")) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        pages = [page async for page in stub(running).WatchPages(KEY)]
        lists = [page async for page in stub(running).WatchLists(KEY)]
    assert [[item.id for item in page.items] for page in pages] == [["1", "2"], []]
    assert [len(found.values) for found in lists] == [2, 0]
    assert isinstance(lists[0], struct_pb2.ListValue)


async def test_only_events_of_the_declared_names_are_messages(tmp_path):
    body = b'event: ping\ndata: 1\n\nevent: item\ndata: {"id":"1"}\n\ndata: 2\n\ndata: bye\n\n'
    config = (
        "defaults: {method: {stream: "
        "{format: SERVER_SENT_EVENTS, events: [item], end_of_stream: bye}}}"
    )
    async with (
        Upstream(streamed(body, content_type=SSE)) as upstream,
        feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        assert [item.id async for item in stub(running).Watch(KEY)] == ["1"]


async def test_the_end_that_the_data_says_closes_a_connection_that_stays_open():
    async def handler(request):
        response = await begin(request, SSE)
        await response.write(b'data: {"id":"1"}\n\ndata: [DONE]\n\n')
        await forever()
        return response

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        assert [item.id async for item in stub(running).Watch(KEY)] == ["1"]
        await until(lambda: upstream.open_connections == 0)


@pytest.mark.parametrize(
    ("content_type", "body", "code", "told"),
    [
        ("application/json", b'[{"id":"1"},{"id"', "UNAVAILABLE", "before its JSON array does"),
        ("application/json", b'[{"id":"1"}] x', "INTERNAL", "behind its JSON array"),
        ("application/json", b'[{"id":"1"}{"id":"2"}]', "INTERNAL", "no comma"),
        ("application/json", b'[{"id":"1"},]', "INTERNAL", "']' where an element"),
        ("application/json", b'{"id":"1"}{"id"', "UNAVAILABLE", "middle of a JSON value"),
        (SSE, b'data: {"id":"1"}\n\ndata: {"id":"2"', "UNAVAILABLE", "middle of an event"),
        (SSE, b'data: {"id":"1"}\n\ndata: oops\n\n', "INTERNAL", "does not fit the method"),
    ],
)
async def test_what_is_no_stream_of_its_kind_ends_it_behind_what_was_delivered(
    content_type, body, code, told
):
    async with (
        Upstream(streamed(body, content_type=content_type)) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        call = stub(running).Watch(KEY)
        assert (await call.read()).id == "1"
        error = await failure_of(call)
    assert error.code().name == code
    assert told in (error.details() or "")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        ({"code": 5, "message": "no shelf"}, "NOT_FOUND", "no shelf"),
        ({"grpc_code": 8, "http_code": 429, "message": "slow down"}, "RESOURCE_EXHAUSTED", "slow"),
        ({"code": 409, "message": "busy"}, "ABORTED", "busy"),
        ({"code": 400, "status": "FAILED_PRECONDITION"}, "FAILED_PRECONDITION", "stream with"),
        ({"code": 0}, "UNKNOWN", "stream with UNKNOWN"),
        ("it broke", "UNKNOWN", "it broke"),
    ],
)
async def test_an_error_in_an_envelope_ends_the_stream_with_its_status(error, code, told):
    body = b'{"result":{"id":"1"}}\n' + json.dumps({"error": error}).encode() + b"\n"
    async with Upstream(streamed(body)) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Watch(KEY)
        assert (await call.read()).id == "1"
        failed = await failure_of(call)
    assert failed.code().name == code
    assert told in (failed.details() or "")


async def test_the_details_of_an_error_in_an_envelope_are_kept():
    detail = {"@type": "type.googleapis.com/google.rpc.ResourceInfo", "resourceName": "a"}
    body = json.dumps({"error": {"code": 5, "message": "gone", "details": [detail]}}).encode()
    async with Upstream(streamed(body)) as upstream, feed_gateway(upstream.url) as running:
        failed = await failure_of(stub(running).Watch(KEY))
    trailers = dict(failed.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    kinds = {any_.TypeName(): any_ for any_ in status.details}
    found = error_details_pb2.ResourceInfo.FromString(kinds["google.rpc.ResourceInfo"].value)
    assert found.resource_name == "a"
    info = error_details_pb2.ErrorInfo.FromString(kinds["google.rpc.ErrorInfo"].value)
    assert info.metadata["origin"] == "upstream"


async def test_a_stream_that_begins_with_unavailable_in_an_envelope_is_tried_again():
    answers = [b'{"error":{"code":14}}\n', b'{"result":{"id":"1"}}\n']

    async def handler(request):
        return await streamed(answers.pop(0))(request)

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        assert [item.id async for item in stub(running).Watch(KEY)] == ["1"]
    assert len(upstream.requests) == 2


async def test_envelopes_are_demanded_or_left_alone_as_declared(tmp_path):
    async with Upstream(streamed(b'{"id":"1"}\n')) as upstream:
        for enveloped, code in (("true", "INTERNAL"), ("false", "OK")):
            config = f"defaults: {{method: {{stream: {{enveloped: {enveloped}}}}}}}"
            async with feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running:
                call = stub(running).Watch(KEY)
                if code == "OK":
                    assert (await call.read()).id == "1"
                    assert await call.read() is grpc.aio.EOF
                else:
                    assert "not wrapped" in ((await failure_of(call)).details() or "")
                assert (await call.code()).name == code


async def test_comments_do_not_extend_the_idle_timeout(tmp_path):
    async def handler(request):
        response = await begin(request, SSE)
        await response.write(b'data: {"id":"1"}\n\n')
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.01)

    config = "defaults: {method: {stream: {idle_timeout: 0.15s}}}"
    async with (
        Upstream(handler) as upstream,
        feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        call = stub(running).Watch(KEY)
        assert (await call.read()).id == "1"
        error = await failure_of(call)
        await until(lambda: upstream.open_connections == 0)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "sent no message for 0.15 s" in (error.details() or "")
