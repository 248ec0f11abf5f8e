import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes.clock import FakeClock
from shop.v1 import orders_pb2
from support.calls import new_call

from gateway.core.call import Call
from gateway.core.errors import CallError, Reason
from gateway.core.outcome import SUCCESS, Outcome
from gateway.core.status import Code
from gateway.interceptors.decode import DecodeInterceptor, DecodeOptions, DecodeStreamInterceptor

OPTIONS = DecodeOptions(
    parse=orders_pb2.GetOrderRequest.FromString,
    type_name="shop.v1.GetOrderRequest",
    max_request_bytes=100,
)


async def decode(request: bytes) -> tuple[Call, Outcome, int]:
    call = new_call(FakeClock(), request=request)
    reached = 0

    async def call_next(_call: Call) -> Outcome:
        nonlocal reached
        reached += 1
        return SUCCESS

    outcome = await DecodeInterceptor(OPTIONS)(call, call_next)
    return call, outcome, reached


async def test_a_valid_request_becomes_the_message():
    message = orders_pb2.GetOrderRequest(order_id="1", verbose=True)
    call, outcome, reached = await decode(message.SerializeToString())
    assert outcome is SUCCESS
    assert call.message == message
    assert reached == 1


@pytest.mark.parametrize("request_bytes", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff"])
async def test_malformed_bytes_are_an_invalid_argument_that_names_the_message(request_bytes):
    _, outcome, reached = await decode(request_bytes)
    assert outcome.error is not None
    assert outcome.error.code is Code.INVALID_ARGUMENT
    assert "shop.v1.GetOrderRequest" in outcome.error.message
    assert reached == 0


async def test_a_request_over_its_bound_is_refused_unread():
    _, outcome, reached = await decode(b"\x0a\x7e" + b"x" * 126)
    assert outcome.error is not None
    assert outcome.error.code is Code.RESOURCE_EXHAUSTED
    assert outcome.error.reason is Reason.REQUEST_TOO_LARGE
    assert reached == 0


# Client streams


def order(order_id: str) -> bytes:
    return orders_pb2.GetOrderRequest(order_id=order_id).SerializeToString()


async def requests_of(*payloads: bytes) -> AsyncIterator[bytes]:
    for payload in payloads:
        yield payload


async def decode_stream(
    *payloads: bytes, read: int = 10
) -> tuple[Call, list[str], CallError | None]:
    call = new_call(FakeClock(), requests=requests_of(*payloads))
    found: list[str] = []
    failure: CallError | None = None

    async def call_next(call: Call) -> Outcome:
        nonlocal failure
        if call.message is not None:
            found.append(call.message.order_id)
        assert not call.requests_spent
        try:
            while len(found) < read and (message := await anext(call.requests, None)) is not None:
                found.append(message.order_id)
        except CallError as error:
            failure = error
        return SUCCESS

    outcome = await DecodeStreamInterceptor(OPTIONS)(call, call_next)
    return call, found, failure or outcome.error


async def test_the_first_of_a_stream_is_the_message_and_the_others_follow():
    call, found, failure = await decode_stream(order("1"), order("2"), order("3"))
    assert (found, failure) == (["1", "2", "3"], None)
    assert call.message.order_id == "1"


async def test_an_empty_stream_has_no_message():
    call, found, failure = await decode_stream()
    assert (call.message, found, failure) == (None, [], None)
    assert not call.requests_spent


@pytest.mark.parametrize(
    ("payloads", "told", "before"),
    [
        ([b"\xff"], "message 1 of the stream is not a valid shop.v1.GetOrderRequest", []),
        ([order("1"), b"\xff"], "message 2 of the stream is not a valid", ["1"]),
        ([order("1"), order("x" * 99)], "message 2 of the stream has 101 bytes", ["1"]),
    ],
)
async def test_a_message_that_is_none_is_named_by_its_number(payloads, told, before):
    _, found, failure = await decode_stream(*payloads)
    assert found == before
    assert failure is not None
    assert failure.message.startswith(told)
    assert failure.code in (Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED)


async def test_a_stream_is_spent_once_more_than_its_first_message_was_asked_for():
    assert (await decode_stream(order("1"), order("2"), read=2))[0].requests_spent
    assert not (await decode_stream(order("1"), order("2"), read=1))[0].requests_spent
    assert not (await decode_stream(order("1"), read=2))[0].requests_spent  # it has ended


async def test_a_read_that_is_given_up_spends_the_stream_and_tells_who_was_waited_for():
    async def silent() -> AsyncIterator[bytes]:
        yield order("1")
        await asyncio.get_running_loop().create_future()

    call = new_call(FakeClock(), requests=silent())

    async def call_next(call: Call) -> Outcome:
        assert not call.awaits_caller
        await anext(call.requests)
        return SUCCESS

    task = asyncio.ensure_future(DecodeStreamInterceptor(OPTIONS)(call, call_next))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.requests_spent
    assert call.awaits_caller
