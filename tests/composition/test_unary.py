"""Every verb of the shop, over real sockets, from a generated stub to a real HTTP server."""

import asyncio
import json

import grpc
import pytest
from google.protobuf import field_mask_pb2, timestamp_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from seawall.error.v1.error_pb2 import UserMessage
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import gateway_for
from support.upstream import Upstream, in_turn, json_answer

from gateway.core.events import AttemptEnded, CallEnded, RetryScheduled
from gateway.core.outcome import Kind

ORDER = {
    "orderId": "o-1",
    "totalCents": "4200",
    "lines": [{"sku": "a", "quantity": 2}],
    "createdAt": "2026-01-02T03:04:05Z",
    "labels": {"k": "v"},
}


async def details_of(error: grpc.aio.AioRpcError) -> dict[str, object]:
    status = rpc_status.from_call(error)
    assert isinstance(status, status_pb2.Status)
    found: dict[str, object] = {}
    for detail in status.details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.RetryInfo,
            error_details_pb2.BadRequest,
            UserMessage,
        ):
            if detail.Is(kind.DESCRIPTOR):
                message = kind()
                detail.Unpack(message)
                found[kind.DESCRIPTOR.name] = message
    return found


@pytest.mark.parametrize(
    ("method", "request_message", "sent", "body"),
    [
        (
            "GetOrder",
            orders_pb2.GetOrderRequest(order_id="a/b c", verbose=True),
            "GET /v1/orders/a%2Fb%20c?verbose=true",
            None,
        ),
        (
            "CreateOrder",
            orders_pb2.CreateOrderRequest(
                order=orders_pb2.Order(order_id="o-1", total_cents=1), request_id="r"
            ),
            "POST /v1/orders?requestId=r",
            {"orderId": "o-1", "totalCents": "1"},
        ),
        (
            "UpdateOrder",
            orders_pb2.UpdateOrderRequest(
                order=orders_pb2.Order(order_id="o-1", labels={"a": "b"}),
                update_mask=field_mask_pb2.FieldMask(paths=["labels", "total_cents"]),
            ),
            "PATCH /v1/orders/o-1?updateMask=labels%2CtotalCents",
            {"labels": {"a": "b"}},
        ),
        (
            "ReplaceOrder",
            orders_pb2.Order(order_id="o-1", lines=[orders_pb2.Line(sku="s", quantity=3)]),
            "PUT /v1/orders/o-1",
            {"lines": [{"sku": "s", "quantity": 3}]},
        ),
        (
            "CancelOrder",
            orders_pb2.GetOrderRequest(order_id="o-1"),
            "POST /v1/orders/o-1:cancel",
            {},
        ),
    ],
)
async def test_each_verb_sends_what_its_binding_says(method, request_message, sent, body):
    async with Upstream(json_answer(ORDER)) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        answer = await getattr(stub, method)(request_message)
    assert upstream.requests == [sent]
    headers = upstream.headers[0]
    if body is None:
        assert upstream.bodies == [b""]
        assert "content-type" not in headers
    else:
        assert json.loads(upstream.bodies[0]) == body
        assert headers["content-type"] == "application/json"
    assert answer == orders_pb2.Order(
        order_id="o-1",
        total_cents=4200,
        lines=[orders_pb2.Line(sku="a", quantity=2)],
        created_at=timestamp_pb2.Timestamp(seconds=1767323045),
        labels={"k": "v"},
    )


async def test_a_list_sends_its_filters_as_a_query():
    request = orders_pb2.ListOrdersRequest(
        page_size=10,
        states=[orders_pb2.ListOrdersRequest.OPEN, orders_pb2.ListOrdersRequest.SHIPPED],
        total=orders_pb2.Range(min=5, max=2**60),
        since=timestamp_pb2.Timestamp(seconds=0),
    )
    page = {"orders": [ORDER], "nextPageToken": "n"}
    async with Upstream(json_answer(page)) as upstream, gateway_for(upstream.url) as running:
        answer = await orders_pb2_grpc.OrderServiceStub(running.channel).ListOrders(request)
    assert upstream.requests == [
        "GET /v1/orders?pageSize=10&states=OPEN&states=SHIPPED&total.min=5"
        "&total.max=1152921504606846976&since=1970-01-01T00%3A00%3A00Z"
    ]
    assert len(answer.orders) == 1
    assert answer.next_page_token == "n"


async def test_an_empty_answer_is_the_empty_message():
    async def no_content(_request):
        from aiohttp import web

        return web.Response(status=204)

    async with Upstream(no_content) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        answer = await stub.DeleteOrder(orders_pb2.GetOrderRequest(order_id="o-1"))
    assert answer == orders_pb2.Empty()
    assert upstream.requests == ["DELETE /v1/orders/o-1"]


async def test_a_flapping_upstream_is_tried_again_and_the_caller_sees_success():
    handler = in_turn(json_answer({}, 503), json_answer({}, 502), json_answer(ORDER))
    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        answer = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="o-1"))
    assert answer.order_id == "o-1"
    assert len(upstream.requests) == 3
    assert len(running.of(RetryScheduled)) == 2
    assert [e.attempt for e in running.of(AttemptEnded)] == [1, 2, 3]
    (ended,) = running.of(CallEnded)
    assert ended.call.attempts == 3


async def test_a_post_is_not_sent_twice():
    async with Upstream(json_answer({}, 503)) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateOrder(orders_pb2.CreateOrderRequest())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(upstream.requests) == 1


async def test_a_failure_says_who_failed_how_often_and_when_to_come_back():
    body = {"error": {"code": 503, "message": "closed for stocktaking", "status": "UNAVAILABLE"}}
    handler = json_answer(body, 503, **{"Retry-After": "120"})
    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="o-1"))
    error = caught.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "closed for stocktaking" in (error.details() or "")
    found = await details_of(error)
    info = found["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("UPSTREAM_STATUS", "seawall")
    assert dict(info.metadata) == {
        "origin": "upstream",
        "attempts": "1",
        "upstream": "default",
        "http_status": "503",
    }
    retry = found["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == 120
    said = found["UserMessage"]
    assert isinstance(said, UserMessage)
    assert said.should_retry
    assert said.retry_delay.seconds == 120
    assert said.title
    assert said.text.endswith(".")
    assert said.action


async def test_a_request_that_no_binding_can_send_names_its_field_and_costs_no_attempt():
    async with Upstream(json_answer(ORDER)) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        for order_id in ("", ".", ".."):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            bad = (await details_of(caught.value))["BadRequest"]
            assert isinstance(bad, error_details_pb2.BadRequest)
            assert [v.field for v in bad.field_violations] == ["order_id"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.UpdateOrder(orders_pb2.UpdateOrderRequest())
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "order.order_id" in (caught.value.details() or "")
    assert upstream.requests == []
    assert {e.call.attempts for e in running.of(CallEnded)} == {0}


async def test_malformed_bytes_are_an_invalid_argument():
    async with Upstream(json_answer(ORDER)) as upstream, gateway_for(upstream.url) as running:
        call = running.channel.unary_unary("/shop.v1.OrderService/GetOrder")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/shop.v1.OrderService/Nothing", "has no method 'Nothing'"),
        ("/nobody.v1.Service/Get", "there is no service 'nobody.v1.Service'"),
    ],
)
async def test_an_unknown_method_is_unimplemented_and_says_what_is_missing(path, says):
    async with Upstream(json_answer(ORDER)) as upstream, gateway_for(upstream.url) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.channel.unary_unary(path)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert says in (caught.value.details() or "")


async def test_a_failed_call_ends_with_trailers_only():
    # gRPC A6: a client commits to a call, and retries it no more, once anything else arrives.
    async with Upstream(json_answer({}, 404)) as upstream, gateway_for(upstream.url) as running:
        call = running.channel.unary_unary("/shop.v1.OrderService/GetOrder")(
            orders_pb2.GetOrderRequest(order_id="1").SerializeToString()
        )
        assert await call.code() is grpc.StatusCode.NOT_FOUND
        assert list(await call.initial_metadata()) == []
        assert "grpc-status-details-bin" in dict(await call.trailing_metadata())


async def test_declared_metadata_travels_and_nothing_else(tmp_path):
    config = """
defaults:
  method:
    headers: {forward_response: [x-served-by]}
"""
    handler = json_answer(ORDER, **{"X-Served-By": "pod-7", "X-Secret": "s"})
    async with (
        Upstream(handler) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        call = stub.GetOrder(
            orders_pb2.GetOrderRequest(order_id="1"),
            metadata=(
                ("authorization", "Bearer t"),
                ("x-request-id", "r-1"),
                ("x-other", "no"),
                ("cookie", "no"),
            ),
        )
        await call
        trailing = dict(await call.trailing_metadata())
    headers = upstream.headers[0]
    assert headers["authorization"] == "Bearer t"
    assert headers["x-request-id"] == "r-1"
    assert "x-other" not in headers
    assert "cookie" not in headers
    assert trailing["x-served-by"] == "pod-7"
    assert "x-secret" not in trailing


@pytest.mark.parametrize("word", ["no such order ", "そんな注文はありません", "😀"])
async def test_whatever_an_upstream_says_its_status_arrives(word):
    # Clients drop trailers of more than 8 KiB, and with them the status.
    details = [{"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": "x" * 900}] * 16
    body = {"error": {"code": 404, "message": word * 500, "details": details}}
    headers = {f"X-H{i}": "y" * 1500 for i in range(5)}
    async with Upstream(json_answer(body, 404, **headers)) as upstream:
        async with gateway_for(upstream.url) as running:
            call = running.channel.unary_unary("/shop.v1.OrderService/GetOrder")(
                orders_pb2.GetOrderRequest(order_id="1").SerializeToString()
            )
            assert await call.code() is grpc.StatusCode.NOT_FOUND
            assert word.strip() in await call.details()
            trailers = await call.trailing_metadata()
    on_the_wire = sum(
        len(key) + (len(value) * 4 / 3 if isinstance(value, bytes) else len(value))
        for key, value in trailers
    )
    assert on_the_wire + 1024 < 7 * 1024


async def test_returned_headers_never_cost_the_answer(tmp_path):
    headers = {f"X-H{i}": "y" * 1500 for i in range(8)}
    config = "defaults: {method: {headers: {forward_response: [x-h0, x-h1, x-h2, x-h3]}}}"
    async with (
        Upstream(json_answer(ORDER, **headers)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        call = orders_pb2_grpc.OrderServiceStub(running.channel).GetOrder(
            orders_pb2.GetOrderRequest(order_id="1")
        )
        assert (await call).order_id == "o-1"
        assert [key for key, _ in await call.trailing_metadata()] == ["x-h0"]


async def test_a_url_has_a_bound_and_the_field_beyond_it_is_named():
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        await stub.ListOrders(orders_pb2.ListOrdersRequest(page_token="t" * 4000))
        for request, method, field in (
            (orders_pb2.ListOrdersRequest(page_token="t" * 3_000_000), "ListOrders", "pageToken"),
            (orders_pb2.ListOrdersRequest(page_token="ä" * 3_000), "ListOrders", "pageToken"),
            (orders_pb2.GetOrderRequest(order_id="o" * 20_000), "GetOrder", "order_id"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(stub, method)(request)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            bad = (await details_of(caught.value))["BadRequest"]
            assert isinstance(bad, error_details_pb2.BadRequest)
            assert [v.field for v in bad.field_violations] == [field]
    assert len(upstream.requests) == 1


async def test_a_request_over_its_bound_is_told_with_details():
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ReplaceOrder(orders_pb2.Order(order_id="1", labels={"a": "b" * 5_000_000}))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        info = (await details_of(caught.value))["ErrorInfo"]
        assert isinstance(info, error_details_pb2.ErrorInfo)
        assert info.reason == "REQUEST_TOO_LARGE"
    assert upstream.requests == []


async def test_a_hanging_upstream_is_named_when_the_deadline_runs_out():
    async def hangs(_request):
        await asyncio.get_running_loop().create_future()

    async with Upstream(hangs) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), timeout=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        info = (await details_of(caught.value))["ErrorInfo"]
        assert isinstance(info, error_details_pb2.ErrorInfo)
        assert info.reason == "DEADLINE_EXCEEDED"
        assert dict(info.metadata) == {
            "origin": "upstream",
            "attempts": "1",
            "upstream": "default",
        }
        (ended,) = running.of(AttemptEnded)
        assert ended.outcome.kind is Kind.FAILURE


async def test_the_upstream_is_told_the_attempts_own_time(tmp_path):
    config = "defaults: {method: {retry: {per_attempt_timeout: 1s}}}"
    async with (
        Upstream(json_answer(ORDER)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), timeout=30)
    assert 0.5 < float(upstream.headers[0]["x-server-timeout"]) <= 1


async def test_the_first_attempt_knows_the_time_and_the_next_has_less():
    handler = in_turn(json_answer({}, 503), json_answer(ORDER))
    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), timeout=5)
    first, second = (float(h["x-server-timeout"]) for h in upstream.headers)
    assert second < first <= 5
