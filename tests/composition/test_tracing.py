"""One trace across a client, the gateway and a REST service, as a collector is told of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.trace.v1 import trace_pb2
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.collector import Collector, Span, said
from support.gateways import Running, gateway_for
from support.upstream import Upstream, in_turn, json_answer

Kind, Error = trace_pb2.Span.SpanKind, trace_pb2.Status.STATUS_CODE_ERROR
GET, SERVED = "GET /v1/orders/{order_id}", "shop.v1.OrderService/GetOrder"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)
UNSAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-00"),)
ORDER = orders_pb2.GetOrderRequest(order_id="o-1")


class World:
    def __init__(self, collector: Collector, upstream: Upstream, running: Running) -> None:
        self.collector, self.upstream, self.running = collector, upstream, running
        self.stub = orders_pb2_grpc.OrderServiceStub(running.channel)

    async def ended(self, count: int) -> tuple[Span, list[Span]]:
        """Return the call's span, and those of its attempts."""
        await self.collector.until(count)
        (call,) = self.collector.named(SERVED)
        return call, self.collector.named(GET)


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def made(handler: Any, tracing: str = "", more: str = "") -> AsyncIterator[World]:
        async with Collector() as collector, Upstream(handler) as upstream:
            said = tracing or f"{{endpoint: '{collector.grpc_url}', sample_ratio: 0}}"
            said = said.replace("HTTP_URL", collector.http_url)
            said = said.replace("GRPC_URL", collector.grpc_url)
            config = f"tracing: {said}\n{more}\n"
            async with gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running:
                yield World(collector, upstream, running)

    return made


async def test_a_call_and_its_attempt_are_parts_of_their_callers_trace(world: Any) -> None:
    async with world(json_answer({"orderId": "o-1"})) as given:
        await given.stub.GetOrder(ORDER, metadata=SAMPLED)
        call, (attempt,) = await given.ended(2)
        assert call.trace_id.hex() == attempt.trace_id.hex() == TRACE
        assert call.parent_span_id.hex() == PARENT
        assert attempt.parent_span_id == call.span_id
        assert (call.kind, attempt.kind) == (Kind.SPAN_KIND_SERVER, Kind.SPAN_KIND_CLIENT)
        (headers,) = given.upstream.headers
        assert headers["traceparent"] == f"00-{TRACE}-{attempt.span_id.hex()}-01"
        told = said(call)
        assert told["rpc.system.name"] == "grpc"
        assert told["rpc.method"] == SERVED
        assert told["rpc.response.status_code"] == "OK"
        assert told["client.address"] == "127.0.0.1"
        assert told["seawall.attempts"] == 1
        assert said(attempt)["http.response.status_code"] == 200
        assert said(attempt)["http.request.method"] == "GET"
        assert said(attempt)["url.template"] == "/v1/orders/{order_id}"
        assert (call.status.code, attempt.status.code) == (0, 0)
        assert call.start_time_unix_nano <= attempt.start_time_unix_nano
        assert attempt.end_time_unix_nano <= call.end_time_unix_nano
        assert given.collector.resources[0]["service.name"] == "seawall"


async def test_each_retry_is_an_attempt_with_its_reason(world: Any) -> None:
    answers = in_turn(json_answer({}, 503), json_answer({}, 502), json_answer({"orderId": "o-1"}))
    async with world(answers) as given:
        await given.stub.GetOrder(ORDER, metadata=SAMPLED)
        call, attempts = await given.ended(4)
        assert [said(one)["seawall.attempt"] for one in attempts] == [1, 2, 3]
        statuses = [said(one)["http.response.status_code"] for one in attempts]
        assert statuses == [503, 502, 200]
        assert [one.status.code for one in attempts] == [Error, Error, 0]
        assert said(attempts[2])["http.request.resend_count"] == 2
        assert {one.parent_span_id for one in attempts} == {call.span_id}
        retries = [event for event in call.events if event.name == "retry"]
        assert [said(event)["seawall.reason"] for event in retries] == ["UPSTREAM_STATUS"] * 2
        assert call.status.code == 0
        parents = {headers["traceparent"] for headers in given.upstream.headers}
        assert len(parents) == 3


async def test_what_its_caller_did_wrong_is_told_and_no_error_of_the_server(world: Any) -> None:
    async with world(json_answer({"message": "no such order"}, 404)) as given:
        with pytest.raises(grpc.aio.AioRpcError):
            await given.stub.GetOrder(ORDER, metadata=SAMPLED)
        call, (attempt,) = await given.ended(2)
        assert said(call)["rpc.response.status_code"] == "NOT_FOUND"
        assert call.status.code == 0
        assert (attempt.status.code, said(attempt)["error.type"]) == (Error, "404")
        assert call.events == []  # an abort is no exception


async def _hangs(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_cancelled_call_is_cancelled_and_a_late_one_is_late(world: Any) -> None:
    async with world(_hangs) as given:
        call = given.stub.GetOrder(ORDER, metadata=SAMPLED)
        while not given.upstream.requests:
            await asyncio.sleep(0.01)
        call.cancel()
        ended, (attempt,) = await given.ended(2)
        assert said(ended)["rpc.response.status_code"] == "CANCELLED"
        assert ended.status.code == 0
        assert said(attempt)["error.type"] == "cancelled"
        given.collector.spans.clear()
        with pytest.raises(grpc.aio.AioRpcError):
            await given.stub.GetOrder(ORDER, metadata=SAMPLED, timeout=1)
        late, (attempt,) = await given.ended(2)
        assert said(late)["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
        assert late.status.code == Error
        assert said(attempt)["error.type"] in ("ATTEMPT_TIMEOUT", "cancelled")


async def test_a_stream_that_its_handler_writes_has_one_span(world: Any) -> None:
    async def lines(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(
            text='{"orderId":"1"}\n{"orderId":"2"}\n', content_type="application/x-ndjson"
        )

    async with world(lines) as given:
        request = orders_pb2.ListOrdersRequest()
        found = [one async for one in given.stub.WatchOrders(request, metadata=SAMPLED)]
        assert len(found) == 2
        await given.collector.until(2)
        (call,) = given.collector.named("shop.v1.OrderService/WatchOrders")
        assert said(call)["rpc.response.status_code"] == "OK"
        assert call.parent_span_id.hex() == PARENT


async def test_what_is_not_sampled_is_told_only_where_it_fails(world: Any) -> None:
    answers = in_turn(
        json_answer({"orderId": "o-1"}),
        json_answer({}, 404),
        json_answer({}, 500),
    )
    async with world(answers) as given:
        await given.stub.GetOrder(ORDER, metadata=UNSAMPLED)
        assert given.upstream.headers[0]["traceparent"] == UNSAMPLED[0][1]
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError):
                await given.stub.GetOrder(ORDER, metadata=UNSAMPLED)
        call, (attempt,) = await given.ended(2)
        assert call.trace_id.hex() == attempt.trace_id.hex() == TRACE
        assert call.parent_span_id.hex() == PARENT
        assert attempt.parent_span_id == call.span_id
        assert said(call)["rpc.response.status_code"] == "INTERNAL"
        assert said(attempt)["http.response.status_code"] == 500
        took_s = (call.end_time_unix_nano - call.start_time_unix_nano) / 1e9
        assert 0 < took_s < 5
        await asyncio.sleep(1.2)
        assert len(given.collector.spans) == 2


async def test_otlp_over_http_with_a_key_and_a_name(world: Any) -> None:
    tracing = (
        "{endpoint: 'HTTP_URL', protocol: HTTP, sample_ratio: 1, service_name: shop-gateway, "
        "headers: {x-collector-key: '4711'}}"
    )
    async with world(json_answer({"orderId": "o-1"}), tracing) as given:
        await given.stub.GetOrder(ORDER)
        call, (attempt,) = await given.ended(2)
        assert call.parent_span_id == b""
        assert attempt.trace_id == call.trace_id
        assert given.collector.metadata[0]["x-collector-key"] == "4711"
        assert given.collector.resources[0]["service.name"] == "shop-gateway"


async def test_nothing_that_callers_send_is_in_a_span(world: Any) -> None:
    async with world(json_answer({"message": "no"}, 400)) as given:
        request = orders_pb2.GetOrderRequest(order_id="secret-order-4711", verbose=True)
        metadata = (*SAMPLED, ("authorization", "Bearer secret-token-4711"))
        with pytest.raises(grpc.aio.AioRpcError):
            await given.stub.GetOrder(request, metadata=metadata)
        await given.ended(2)
        assert not any(b"4711" in span.SerializeToString() for span in given.collector.spans)


async def test_a_collector_that_is_away_costs_no_call(world: Any) -> None:
    tracing = "{endpoint: 'http://127.0.0.1:1', sample_ratio: 1}"
    async with world(json_answer({"orderId": "o-1"}), tracing) as given:
        for _ in range(20):
            assert (await given.stub.GetOrder(ORDER, timeout=2)).order_id == "o-1"
