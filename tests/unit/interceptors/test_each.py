import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes.clock import FakeClock
from support.calls import answered, new_call

from gateway.core.call import Call
from gateway.core.deadline import Expiry
from gateway.core.errors import invalid_request
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.interceptors.each import EachInterceptor

EACH = EachInterceptor()


async def stream_of(*messages: object) -> AsyncIterator[object]:
    for message in messages:
        if isinstance(message, Exception):
            raise message
        yield message


def call_of(*messages: object, **more: object) -> Call:
    call = new_call(FakeClock(), requests=stream_of(*messages[1:]), **more)
    call.message = messages[0] if messages else None
    return call


async def test_each_message_is_a_call_with_what_the_stream_has():
    stream = call_of("a", "b", "c", timeout_s=5, metadata=[("k", "v")], peer="ipv4:1")
    seen: list[Call] = []

    async def call_next(call: Call) -> Outcome:
        seen.append(call)
        await call.send(call.message.encode())
        await call.send(b"more")
        return SUCCESS

    assert await EACH(stream, call_next) is SUCCESS
    assert [call.message for call in seen] == ["a", "b", "c"]
    assert [call.sent for call in seen] == [2, 2, 2]
    assert stream.sent == 6
    for call in seen:
        assert call.method is stream.method
        assert (call.metadata, call.peer) == (stream.metadata, stream.peer)
        assert (call.deadline_at, call.arrived_at) == (stream.deadline_at, stream.arrived_at)


async def test_no_message_is_a_success():
    async def call_next(_call: Call) -> Outcome:
        raise AssertionError

    assert await EACH(call_of(), call_next) is SUCCESS


async def test_the_first_failure_ends_the_stream():
    seen = []

    async def call_next(call: Call) -> Outcome:
        seen.append(call.message)
        return failed(answered(503)) if call.message == "b" else SUCCESS

    outcome = await EACH(call_of("a", "b", "c"), call_next)
    assert outcome.error is not None
    assert outcome.error.http_status == 503
    assert seen == ["a", "b"]


async def test_a_message_that_cannot_be_decoded_ends_the_stream():
    async def call_next(_call: Call) -> Outcome:
        return SUCCESS

    outcome = await EACH(call_of("a", invalid_request("no message")), call_next)
    assert outcome.error is not None
    assert outcome.error.message == "no message"


async def test_a_stream_counts_the_attempts_of_all_and_ends_each_with_its_own_timer():
    stream = call_of("a", "b")
    clock = FakeClock()
    told = []

    async def call_next(call: Call) -> Outcome:
        for _ in range(2):
            call.attempts += 1
            told.append((call.attempts, stream.attempts))
        assert call.expiry is stream.expiry
        return SUCCESS

    with Expiry(clock, clock.now() + 3) as stream.expiry:
        await EACH(stream, call_next)
    assert told == [(1, 1), (2, 2), (1, 3), (2, 4)]


async def test_trailing_metadata_of_the_last_answer_is_kept_and_no_other():
    stream = call_of(*"abc")

    async def call_next(call: Call) -> Outcome:
        call.trailing_metadata.append(("id", call.message))
        return SUCCESS

    await EACH(stream, call_next)
    assert stream.trailing_metadata == [("id", "c")]


async def test_a_cancel_ends_the_message_under_way():
    async def call_next(_call: Call) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    task = asyncio.ensure_future(EACH(call_of("a", "b"), call_next))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_is_counted_once_one_of_its_messages_was():
    stream = call_of("a", "b")

    async def call_next(call: Call) -> Outcome:
        call.counted = call.message == "b"
        return SUCCESS

    await EACH(stream, call_next)
    assert stream.counted
