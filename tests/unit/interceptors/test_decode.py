import pytest
from fakes.clock import FakeClock
from shop.v1 import orders_pb2
from support.calls import new_call

from gateway.core.call import Call
from gateway.core.errors import Reason
from gateway.core.outcome import SUCCESS, Outcome
from gateway.core.status import Code
from gateway.interceptors.decode import DecodeInterceptor, DecodeOptions

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
