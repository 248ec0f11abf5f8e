import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes.clock import FakeClock
from support.calls import new_call
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL, bindings

from gateway.core.call import Call
from gateway.core.errors import CallError, Reason, invalid_request
from gateway.core.http import HttpRequest
from gateway.core.status import Code
from gateway.transcode.codec import JsonCodec
from gateway.transcode.encode import Prepared, RequestEncoder
from gateway.transcode.uploads import Upload, _uploading

RULE = {"post": "/v1/{name}", "body": "*"}
BAD = pb.Request(name="a")
BAD.known.time.seconds = 10**15


def encoder_of(**rule: Any) -> RequestEncoder:
    return RequestEncoder(bindings(pb.Request, pb.Document, **rule), JsonCodec(POOL))


async def stream_of(*messages: Any) -> AsyncIterator[Any]:
    for message in messages:
        if isinstance(message, Exception):
            raise message
        yield message


def begun(*messages: Any, **rule: Any) -> tuple[Call, Prepared, RequestEncoder]:
    encoder = encoder_of(**(rule or RULE))
    call = new_call(FakeClock(), requests=stream_of(*messages[1:]))
    call.message = messages[0]
    return call, encoder.encode(messages[0], streamed=True), encoder


def task() -> asyncio.Task[object]:
    found = asyncio.current_task()
    assert found is not None
    return found


async def test_each_message_is_a_line_without_what_the_path_carries():
    messages = [pb.Request(name="a", left="1"), pb.Request(left="2"), pb.Request()]
    call, prepared, encoder = begun(*messages)
    assert (prepared.target, prepared.body) == ("/v1/a", None)
    upload = Upload(call, prepared, encoder, task())
    assert [part async for part in upload] == [b'{"left":"1"}\n', b'{"left":"2"}\n', b"{}\n"]


async def test_an_attempt_that_asked_for_no_more_begins_with_the_first_message_again():
    call, prepared, encoder = begun(pb.Request(name="a", left="1"), pb.Request(left="2"))
    assert await anext(Upload(call, prepared, encoder, task())) == b'{"left":"1"}\n'
    again = Upload(call, prepared, encoder, task())
    assert [part async for part in again] == [b'{"left":"1"}\n', b'{"left":"2"}\n']


async def test_the_next_message_is_taken_only_when_a_part_is_asked_for():
    taken = 0

    async def endless() -> AsyncIterator[Any]:
        nonlocal taken
        while True:
            taken += 1
            yield pb.Request(left="x")

    call, prepared, encoder = begun(pb.Request(name="a"))
    call.requests = endless()
    upload = Upload(call, prepared, encoder, task())
    for _ in range(4):
        await anext(upload)
    assert taken == 3


async def test_a_message_without_a_json_form_is_named_by_its_number():
    call, prepared, encoder = begun(pb.Request(name="a"), pb.Request(), BAD)
    upload = Upload(call, prepared, encoder, task())
    with pytest.raises(CallError) as raised:
        _ = [part async for part in upload]
    assert upload.failure is raised.value
    assert not upload.cancelled
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message.startswith("message 3 of the stream cannot be sent: ")


async def fail_in_another_task(request: HttpRequest) -> None:
    async def send() -> None:
        with pytest.raises(CallError):
            async for _ in request.body:  # type: ignore[union-attr]
                pass

    sending = asyncio.ensure_future(send())
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await sending


async def test_a_bad_message_ends_what_waits_for_the_answer_with_its_error():
    call, prepared, encoder = begun(pb.Request(name="a"), invalid_request("message 2 is bad"))
    request = HttpRequest("POST", "/", {})
    with pytest.raises(CallError) as raised:
        with _uploading(call, request, prepared, encoder):
            await fail_in_another_task(request)
    assert raised.value.message == "message 2 is bad"
    assert task().cancelling() == 0
    await asyncio.sleep(0)  # and no cancellation is left over


async def test_a_cancel_from_elsewhere_stays_a_cancel():
    call, prepared, encoder = begun(pb.Request(name="a"), invalid_request("message 2 is bad"))

    async def upload() -> None:
        request = HttpRequest("POST", "/", {})
        with _uploading(call, request, prepared, encoder):
            await fail_in_another_task(request)

    uploading = asyncio.ensure_future(upload())
    await asyncio.sleep(0)
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading


async def test_an_error_of_the_upstream_is_told_where_the_stream_is_fine():
    call, prepared, encoder = begun(pb.Request(name="a"))
    reset = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_RESET, "reset")
    with pytest.raises(CallError) as raised:
        with _uploading(call, HttpRequest("POST", "/", {}), prepared, encoder):
            raise reset
    assert raised.value is reset


def test_no_message_takes_the_first_path_that_needs_none():
    both = RULE | {"additionalBindings": [{"put": "/v1/all", "body": "*"}]}
    prepared = encoder_of(**both).encode_nothing()
    assert (prepared.binding.verb, prepared.target, prepared.body) == ("PUT", "/v1/all", b"")
    with pytest.raises(CallError) as raised:
        encoder_of(**RULE).encode_nothing()
    assert raised.value.code is Code.INVALID_ARGUMENT
