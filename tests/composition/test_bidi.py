"""Bidirectional streams: a request a message with its answers in order, or one body."""

import asyncio
import json

import grpc
import pytest
from aiohttp import web
from composition.streams import begin, failure_of, feed_gateway, forever, line, lines_of, until
from feed.v1 import feed_pb2 as pb
from feed.v1 import feed_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from seawall_client import read_failure
from support.upstream import Upstream, json_answer

from gateway.core.events import AttemptEnded, CallEnded
from gateway.core.status import Code


def stub(running) -> feed_pb2_grpc.FeedServiceStub:
    return feed_pb2_grpc.FeedServiceStub(running.channel)


def keys(*shelves: str):
    return iter([pb.Key(shelf=shelf) for shelf in shelves])


def shelf_of(request: web.BaseRequest) -> str:
    return request.path.rpartition("/")[2]


# One request each


async def test_each_message_is_a_request_and_the_answers_are_in_order():
    async def handler(request):
        shelf = shelf_of(request)
        match shelf:
            case "one":
                return web.json_response({"id": "one"})
            case "none":
                return web.Response(status=204)
        response = await begin(request)
        await response.write(line(1) + line(2))
        return response

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Look(keys("many", "none", "one", "many"))
        answers = [item.id async for item in call]
        assert await call.code() is grpc.StatusCode.OK
    assert answers == ["1", "2", "one", "1", "2"]
    assert upstream.requests == [f"GET /v1/shelves/{x}" for x in ("many", "none", "one", "many")]


async def test_a_message_is_answered_before_the_next_is_sent():
    async def handler(request):
        return web.json_response({"id": shelf_of(request)})

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Look()
        for shelf in "abc":
            await call.write(pb.Key(shelf=shelf))
            assert (await call.read()).id == shelf
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_one_request_is_under_way_at_a_time():
    inside = most = 0

    async def handler(request):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.005)
        inside -= 1
        return web.json_response({"id": shelf_of(request)})

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        shelves = [str(i) for i in range(20)]
        assert [item.id async for item in stub(running).Look(keys(*shelves))] == shelves
    assert most == 1


async def test_no_message_is_a_success_without_answers():
    async with Upstream(json_answer({})) as upstream, feed_gateway(upstream.url) as running:
        assert [item async for item in stub(running).Look(keys())] == []
    assert upstream.requests == []


async def test_a_declared_format_leaves_room_for_single_values(tmp_path):
    answers = {"value": b'{"id": "1"}', "array": b'[{"id":"2"},{"id":"3"}]'}

    async def handler(request):
        body = answers[shelf_of(request)]
        return web.Response(body=body, content_type="application/json")

    for format_, shelves in (("JSON_ARRAY", ["value", "array"]), ("SERVER_SENT_EVENTS", ["value"])):
        config = f"defaults: {{method: {{stream: {{format: {format_}}}}}}}"
        async with (
            Upstream(handler) as upstream,
            feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
        ):
            found = [item.id async for item in stub(running).Look(keys(*shelves))]
        assert found == ["1", "2", "3"][: len(found)]
        assert len(found) == (3 if "array" in shelves else 1)


async def test_a_request_that_fails_ends_the_call_behind_the_answers_before_it():
    async def handler(request):
        status = 404 if shelf_of(request) == "b" else 200
        return web.json_response({"id": "x", "message": "no such shelf"}, status=status)

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Look(keys("a", "b", "c"))
        assert (await call.read()).id == "x"
        error = await failure_of(call)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert len(upstream.requests) == 2


async def test_a_message_is_tried_again_although_others_were_answered():
    failed = False

    async def handler(request):
        nonlocal failed
        if shelf_of(request) == "b" and not failed:
            failed = True
            return web.json_response({}, status=503)
        return web.json_response({"id": shelf_of(request)})

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        answers = [item.id async for item in stub(running).Look(keys("a", "b", "c"))]
        await until(lambda: running.of(CallEnded))
        (ended,) = running.of(CallEnded)
    assert answers == ["a", "b", "c"]
    assert [path[-1] for path in upstream.requests] == ["a", "b", "b", "c"]
    assert (ended.call.attempts, ended.call.sent) == (4, 3)
    assert [event.attempt for event in running.of(AttemptEnded)] == [1, 1, 2, 1]


async def test_an_answer_that_breaks_off_after_a_message_is_not_asked_for_again():
    async def handler(request):
        response = await begin(request)
        await response.write(line(1))
        assert request.transport is not None
        request.transport.abort()
        return response

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        error = await failure_of(stub(running).Look(keys("a")))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "already delivered" in (error.details() or "")
    assert len(upstream.requests) == 1


async def test_a_message_that_cannot_be_sent_or_is_none_ends_the_call():
    async with (
        Upstream(json_answer({"id": "x"})) as upstream,
        feed_gateway(upstream.url) as running,
    ):
        error = await failure_of(stub(running).Look(keys("a", "")))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "'shelf'" in (error.details() or "")
        payloads = iter([pb.Key(shelf="a").SerializeToString(), b"\xff"])
        error = await failure_of(
            running.channel.stream_stream("/feed.v1.FeedService/Look")(payloads)
        )
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "message 2 of the stream is not a valid feed.v1.Key message"


async def test_the_deadline_tells_of_the_upstream_that_was_waited_for():
    async def handler(request):
        if shelf_of(request) == "b":
            await forever()
        return web.json_response({"id": "a"})

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        error = await failure_of(stub(running).Look(keys("a", "b"), timeout=0.4))
        await until(lambda: upstream.open_connections == 0)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "during attempt 2 of upstream" in (error.details() or "")
    assert read_failure(error).origin == "upstream"


async def test_a_cancel_closes_the_upstreams_socket():
    async def handler(request):
        await forever()

    async with Upstream(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Look(keys("a"))
        await until(lambda: upstream.requests)
        call.cancel()
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: running.of(CallEnded))
        (ended,) = running.of(CallEnded)
    assert ended.code is Code.CANCELLED


async def test_trailing_metadata_is_that_of_the_last_answer(tmp_path):
    async def handler(request):
        return web.json_response({}, headers={"x-shelf": shelf_of(request)})

    config = "defaults: {method: {headers: {forward_response: [x-shelf]}}}"
    async with (
        Upstream(handler) as upstream,
        feed_gateway(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        call = stub(running).Look(keys("a", "b"))
        assert len([item async for item in call]) == 2
        assert list(await call.trailing_metadata()) == [("x-shelf", "b")]


# One body


class Talkative(Upstream):
    """An upstream that reads bodies itself."""

    def __init__(self, handler) -> None:
        super().__init__(handler)
        self.record = False


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    response = await begin(request)
    async for item in lines_of(request):
        await response.write(json.dumps({"id": item["id"] * 2}).encode() + b"\n")
    return response


async def test_one_body_is_sent_while_its_answer_arrives():
    async with Talkative(echo) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Talk()
        for text in ("a", "b", "c"):
            await call.write(pb.Item(id=text))
            assert (await call.read()).id == text * 2
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert upstream.total_connections == 1


async def test_an_answer_that_ends_first_ends_the_body():
    async def handler(request):
        response = await begin(request)
        await request.content.readline()
        await response.write(line(1))
        return response

    async with Talkative(handler) as upstream, feed_gateway(upstream.url) as running:
        idle = len(asyncio.all_tasks())
        call = stub(running).Talk()
        await call.write(pb.Item(id="1"))
        assert (await call.read()).id == "1"
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: len(asyncio.all_tasks()) <= idle)


async def test_a_message_of_one_body_that_is_none_ends_the_call():
    async with Talkative(echo) as upstream, feed_gateway(upstream.url) as running:
        call = running.channel.stream_stream("/feed.v1.FeedService/Talk")()
        await call.write(pb.Item(id="a").SerializeToString())
        assert pb.Item.FromString(await call.read()).id == "aa"
        await call.write(b"\xff")
        error = await failure_of(call)
        await until(lambda: upstream.open_connections == 0)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "message 2 of the stream" in (error.details() or "")


async def test_a_cancel_of_one_body_closes_the_upstreams_socket():
    async with Talkative(echo) as upstream, feed_gateway(upstream.url) as running:
        idle = len(asyncio.all_tasks())
        call = stub(running).Talk()
        await call.write(pb.Item(id="a"))
        await call.read()
        call.cancel()
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: len(asyncio.all_tasks()) <= idle)


@pytest.mark.parametrize("status", [400, 503])
async def test_an_error_before_the_end_of_one_body_is_told(status):
    async def handler(request):
        await request.content.readline()
        return web.json_response({"message": "not now"}, status=status)

    async with Talkative(handler) as upstream, feed_gateway(upstream.url) as running:
        call = stub(running).Talk()
        await call.write(pb.Item(id="a"))
        error = await failure_of(call)
        await until(lambda: upstream.open_connections == 0)
    assert "not now" in (error.details() or "")
    status_ = status_pb2.Status.FromString(
        dict(error.trailing_metadata())["grpc-status-details-bin"]
    )
    info = next(a for a in status_.details if a.TypeName() == "google.rpc.ErrorInfo")
    found = error_details_pb2.ErrorInfo.FromString(info.value)
    assert found.metadata["http_status"] == str(status)
