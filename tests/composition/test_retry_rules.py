"""What is repeated, when, and at whose cost, as callers and upstreams see it over real sockets.

The rules of each mechanism are tested beside it; here they are those that a gateway runs on.
"""

import asyncio
import json
import re
import time
import urllib.request
from email.utils import formatdate

import grpc
import pytest
from aiohttp import web
from fakes.clock import FakeRng
from seawall_client.failure import read_failure
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import Running, gateway_for
from support.upstream import RawUpstream, Upstream, in_turn, json_answer

from gateway.core.events import AttemptEnded, CallEnded, HedgeSent, RetryScheduled

GET = orders_pb2.GetOrderRequest(order_id="o-1")
ORDER = orders_pb2.Order(order_id="o-1")
REQUESTS = {
    "GetOrder": GET,
    "DeleteOrder": GET,
    "ReplaceOrder": ORDER,
    "CancelOrder": GET,
    "CreateOrder": orders_pb2.CreateOrderRequest(),
    "UpdateOrder": orders_pb2.UpdateOrderRequest(order=ORDER),
}
BODY = b'{"orderId":"o-1"}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
HEDGED = "hedge: {delay: 0.05s, max_share: 1}"


def stub(running: Running) -> orders_pb2_grpc.OrderServiceStub:
    return orders_pb2_grpc.OrderServiceStub(running.channel)


async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def until(holds) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


# What may be sent again


async def sent_by(method: str, running: Running, upstream: Upstream) -> int:
    """Return how often a request went out whose effect nobody knows."""
    with pytest.raises(grpc.aio.AioRpcError):
        await getattr(stub(running), method)(REQUESTS[method])
    return len(upstream.requests)


@pytest.mark.parametrize("fault", ["503", "reset"])
@pytest.mark.parametrize(
    ("method", "policy", "sent", "hedged"),
    [
        ("GetOrder", "", 3, True),
        ("ReplaceOrder", "", 3, False),  # PUT
        ("DeleteOrder", "", 3, False),
        ("DeleteOrder", "hedge: {max_hedges: 1}", 3, True),
        ("DeleteOrder", "hedge: {disabled: false}", 3, True),
        ("DeleteOrder", "idempotency: NO_SIDE_EFFECTS", 3, True),
        ("UpdateOrder", "", 1, False),  # PATCH
        ("CreateOrder", "", 1, False),  # POST
        ("CreateOrder", "hedge: {max_hedges: 1}", 1, False),
        ("CancelOrder", "", 1, False),
        ("CreateOrder", "idempotency: IDEMPOTENT", 3, False),
        ("CreateOrder", "idempotency: IDEMPOTENT, hedge: {max_hedges: 1}", 3, True),
        ("CreateOrder", "idempotency: NO_SIDE_EFFECTS", 3, True),
        ("GetOrder", "idempotency: NOT_IDEMPOTENT", 1, False),
        ("GetOrder", "idempotency: IDEMPOTENT", 3, False),
    ],
)
async def test_a_request_of_unknown_effect_is_sent_again_by_its_verb_or_by_declaration(
    method, policy, sent, hedged, fault, tmp_path
):
    async def fails(request: web.BaseRequest) -> web.StreamResponse:
        if fault == "reset" and request.transport is not None:
            request.transport.abort()
        return web.json_response({}, status=503)

    more = f", {policy}" if policy else ""
    config = f"defaults: {{method: {{retry: {{initial_backoff: 0.001s}}{more}}}}}"
    async with (
        Upstream(fails) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        assert await sent_by(method, running, upstream) == sent
        pipeline = running.gateway.dispatch.find(f"/shop.v1.OrderService/{method}")
        assert pipeline is not None
        assert ("hedge" in pipeline.shape) is hedged


@pytest.mark.parametrize(
    "status", [301, 400, 401, 403, 404, 408, 409, 412, 422, 425, 429, 500, 501]
)
async def test_no_other_status_is_retried_without_configuration(status):
    async with Upstream(json_answer({}, status)) as upstream, gateway_for(upstream.url) as running:
        assert await sent_by("GetOrder", running, upstream) == 1


@pytest.mark.parametrize(
    ("status", "headers"), [(502, {}), (503, {}), (504, {}), (429, {"Retry-After": "0"})]
)
async def test_these_are_retried_without_configuration(status, headers):
    handler = json_answer({}, status, **headers)
    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        assert await sent_by("GetOrder", running, upstream) == 3


LEVELS = """
syntax = "proto3";
package find.v1;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
service Finder {
  rpc Find(google.protobuf.Empty) returns (google.protobuf.Empty) {
    option (google.api.http) = {post: "/v1/things:find" body: "*"};
    {level}
  }
}
"""


@pytest.mark.parametrize(
    ("level", "sent", "hedged"),
    [
        ("", 1, False),
        ("option idempotency_level = NO_SIDE_EFFECTS;", 3, True),
        ("option idempotency_level = IDEMPOTENT;", 3, False),
    ],
)
async def test_a_post_is_sent_again_where_its_idempotency_level_says_so(
    level, sent, hedged, tmp_path
):
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "find.proto").write_text(LEVELS.replace("{level}", level))
    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url, proto=protos) as running,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await running.channel.unary_unary("/find.v1.Finder/Find")(b"")
        pipeline = running.gateway.dispatch.find("/find.v1.Finder/Find")
    assert len(upstream.requests) == sent
    assert pipeline is not None
    assert ("hedge" in pipeline.shape) is hedged


async def test_a_delete_is_told_of_its_own_effect_and_not_of_its_hedges(tmp_path):
    deleted: set[str] = set()

    async def delete(request: web.BaseRequest) -> web.StreamResponse:
        if request.path in deleted:
            return web.json_response({}, status=404)
        deleted.add(request.path)
        await until(lambda: running.of(AttemptEnded))  # the hedge has been told 404
        return web.json_response({})

    config = f"defaults: {{method: {{{HEDGED}}}}}"
    async with (
        Upstream(delete) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        await stub(running).DeleteOrder(GET)
        assert len(upstream.requests) == 2
        assert len(running.of(HedgeSent)) == 1
        assert len(running.of(RetryScheduled)) == 0


async def test_what_was_never_sent_is_tried_again_whatever_the_method():
    async def turns_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    gone = RawUpstream(turns_away)
    async with gone:
        url = gone.url
    async with gateway_for(url) as running:  # nobody listens any more
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(running).CreateOrder(REQUESTS["CreateOrder"])
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(running.of(RetryScheduled)) >= 1


class HalfFirst:
    """Breaks off in the middle of its first answer's body, and answers the next whole."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            self.requests += 1
            if self.requests == 1:
                writer.write(WHOLE[:-9])
                await writer.drain()
                return
            writer.write(WHOLE)


@pytest.mark.parametrize(("method", "requests"), [("GetOrder", 2), ("CancelOrder", 1)])
async def test_a_unary_answer_that_breaks_off_in_its_body_is_retried_like_any_reset(
    method, requests
):
    upstream = HalfFirst()
    async with RawUpstream(upstream) as server, gateway_for(server.url) as running:
        if requests > 1:
            assert (await stub(running).GetOrder(GET)).order_id == "o-1"
            assert [e.attempt for e in running.of(AttemptEnded)] == [1, 2]
        else:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub(running).CancelOrder(GET)
            assert read_failure(caught.value).reason == "UPSTREAM_RESET"
    assert upstream.requests == requests


# When


@pytest.mark.parametrize(
    ("jitter", "waits_s"),
    [
        ("", [0.002, 0.004, 0.006]),  # full, between nothing and the bound
        ("FULL", [0.002, 0.004, 0.006]),
        ("EQUAL", [0.006, 0.012, 0.018]),
        ("NONE", [0.010, 0.020, 0.030]),
        ("PROPORTIONAL", [0.0088, 0.0176, 0.0264]),
        ("DECORRELATED", [0.014, 0.0164, 0.01784]),
    ],
)
async def test_backoffs_are_drawn_as_the_policy_names_it(jitter, waits_s, tmp_path):
    named = f", jitter: {jitter}" if jitter else ""
    backoff = f"max_attempts: 4, initial_backoff: 0.010s, max_backoff: 0.030s{named}"
    config = f"defaults: {{method: {{retry: {{{backoff}}}}}}}"
    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path, rng=FakeRng([0.2])) as running,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await stub(running).GetOrder(GET)
    assert [e.delay_s for e in running.of(RetryScheduled)] == pytest.approx(waits_s)
    assert len(upstream.requests) == 4


@pytest.mark.parametrize("as_date", [True, False])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_beyond_the_deadline_fails_now_and_is_passed_on(status, as_date):
    told = formatdate(time.time() + 8, usegmt=True) if as_date else "8"
    answer = json_answer({}, status, **{"Retry-After": told})
    async with Upstream(answer) as upstream, gateway_for(upstream.url) as running:
        began_at = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(running).GetOrder(GET, timeout=6)  # 8 s are under the cap of 10
        assert time.monotonic() - began_at < 3
        failure = read_failure(caught.value)
        assert (failure.http_status, failure.attempts) == (status, 1)
        assert failure.retry_delay_s is not None
        assert 6 < failure.retry_delay_s <= 8
        assert len(upstream.requests) == 1
        trailers = dict(caught.value.trailing_metadata())
        assert 6000 < int(trailers["grpc-retry-pushback-ms"]) <= 8000


# At whose cost


async def test_hedges_and_retries_spend_one_budget(tmp_path):
    config = f"""
defaults:
  upstream: {{retry_budget: {{share: 0.01, min_per_second: 0.1, window: 10s}}}}
  method: {{retry: {{initial_backoff: 0.001s}}, {HEDGED}}}
"""
    slow_s = 0.15

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(slow_s)
        return web.json_response({"orderId": "o-1"})

    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(running).GetOrder(GET)
        assert "the retry budget is empty" in (caught.value.details() or "")
        assert len(running.of(RetryScheduled)) == 1  # which took all that there was
        upstream.handler = slow
        assert (await stub(running).GetOrder(GET)).order_id == "o-1"
        assert running.of(HedgeSent) == []


async def test_a_callers_cancel_closes_the_sockets_of_an_attempt_and_of_its_hedge(tmp_path):
    config = f"defaults: {{method: {{{HEDGED}}}}}"
    async with (
        Upstream(hangs) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        call = stub(running).GetOrder(GET, timeout=60)
        await until(lambda: len(upstream.requests) == 2)
        assert upstream.open_connections == 2
        call.cancel()
        await until(lambda: upstream.open_connections == 0)
        assert upstream.disconnects == 2
        await until(lambda: running.of(CallEnded))
        assert [event.code.name for event in running.of(CallEnded)] == ["CANCELLED"]


async def test_a_callers_own_retries_say_so_and_are_counted(tmp_path):
    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.01s",
        "backoffMultiplier": 1,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    service_config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    handler = in_turn(json_answer({}, 503), json_answer({}, 503), json_answer({"orderId": "o-1"}))
    config = "defaults: {method: {retry: {disabled: true}}}"
    async with (
        Upstream(handler) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
        grpc.aio.insecure_channel(
            running.gateway.address, options=[("grpc.service_config", service_config)]
        ) as channel,
    ):
        assert (await orders_pb2_grpc.OrderServiceStub(channel).GetOrder(GET)).order_id == "o-1"
        ended = running.of(CallEnded)
        page = await asyncio.to_thread(metrics_of, running)
    assert [event.call.previous_attempts for event in ended] == [0, 1, 2]
    assert re.search(r"^seawall_client_retries_total\{.*\} 2.0$", page, re.MULTILINE)


def metrics_of(running: Running) -> str:
    with urllib.request.urlopen(f"http://{running.gateway.ops_address}/metrics") as response:
        page: str = response.read().decode()
        return page
