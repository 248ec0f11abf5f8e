"""What a caller reads from a failed call, through a real gateway."""

import grpc
import pytest
from aiohttp import web
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


CATALOG = """
errors:
  domain: shop.example
  reasons:
    SHOP_CLOSED:
      title: The shop is closed
      message: |
        The shop
        is closed.
      action: Come back at nine.
      should_retry: true
      retry_delay: 30s
      code: FAILED_PRECONDITION
      localized: {de: {title: Geschlossen, message: Der Laden ist zu.}}
    RATE_LIMITED: {title: A moment please}
defaults:
  method:
    errors: {rules: [{http_statuses: [503], reason: SHOP_CLOSED}]}
    retry: {disabled: true}
services:
  shop.v1.OrderService:
    methods:
      GetOrder: {rate_limits: {each: {requests: 2, per: 60s}}}
"""


async def test_a_failure_of_the_catalog_is_read_with_its_cause(tmp_path):
    language = (("accept-language", "de-CH"),)
    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url, config=CATALOG, tmp_path=tmp_path) as running,
    ):
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        failures = []
        for metadata in ((), language, ()):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), metadata=metadata)
            failures.append(read_failure(caught.value))
    plain, german, limited = failures
    assert plain.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (plain.reason, plain.domain, plain.cause) == (
        "SHOP_CLOSED",
        "shop.example",
        "UPSTREAM_STATUS",
    )
    assert (plain.origin, plain.upstream, plain.http_status, plain.attempts) == (
        "upstream",
        "default",
        503,
        1,
    )
    assert (plain.title, plain.action) == ("The shop is closed", "Come back at nine.")
    assert (plain.should_retry, plain.retry_delay_s, plain.localized) == (True, 30.0, "")
    assert str(plain) == ("FAILED_PRECONDITION SHOP_CLOSED: The shop is closed. Come back at nine.")
    assert (german.title, german.localized) == ("Geschlossen", "Der Laden ist zu.")
    assert str(german) == ("FAILED_PRECONDITION SHOP_CLOSED: Der Laden ist zu. Come back at nine.")
    assert (limited.reason, limited.domain, limited.cause) == ("RATE_LIMITED", "seawall", "")
    assert (limited.title, limited.origin, limited.attempts) == ("A moment please", "gateway", 0)
    assert limited.exhausted == (FieldViolation("each", "2 calls in 60 s"),)
    assert limited.retry_delay_s is not None
    assert 0 < limited.retry_delay_s <= 60
    assert "\n" not in str(limited)


async def test_an_upstreams_html_is_in_nothing_that_is_told(tmp_path):
    async def html(_request):
        return web.Response(
            status=502, text="<html><h1>nginx</h1></html>", content_type="text/html"
        )

    failure = await failure_of(html)
    assert "nginx" not in repr(failure)
    assert "<" not in failure.message
    assert failure.http_status == 502
