"""What a caller reads from a failed call, through a real gateway."""

import grpc
import pytest
from seawall_client import FieldViolation, read_failure
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer


async def failure_of(handler, order_id: str = "1"):
    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id))
    return read_failure(caught.value)


async def test_an_upstreams_failure_tells_who_how_often_and_when():
    body = {
        "error": {
            "code": 503,
            "message": "stocktaking",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "CLOSED",
                    "domain": "shop",
                }
            ],
        }
    }
    failure = await failure_of(json_answer(body, 503, **{"Retry-After": "60"}))
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert (failure.reason, failure.origin) == ("UPSTREAM_STATUS", "upstream")
    assert (failure.upstream, failure.http_status, failure.attempts) == ("default", 503, 1)
    assert (failure.should_retry, failure.retry_delay_s) == (True, 60.0)
    assert failure.upstream_reason == "CLOSED"
    assert failure.title
    assert "stocktaking" in failure.text
    assert failure.action


async def test_the_callers_mistake_names_its_field():
    failure = await failure_of(json_answer({}), order_id="..")
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (failure.origin, failure.should_retry) == ("caller", False)
    (violation,) = failure.violations
    assert isinstance(violation, FieldViolation)
    assert violation.field == "order_id"


async def test_another_servers_failure_is_read_as_far_as_it_goes():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/a.B/C")(b"")
    finally:
        await server.stop(None)
    failure = read_failure(caught.value)
    assert failure.code is grpc.StatusCode.UNIMPLEMENTED
    assert (failure.reason, failure.attempts, failure.violations) == ("", None, ())
