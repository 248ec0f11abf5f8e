"""What protects an upstream and its callers, wired together, over real sockets.

Each mechanism's own rules are tested beside it; here a generated stub calls a gateway that
was given nothing but protos and an upstream, or one line more.
"""

import asyncio
import json
import socket
import time

import grpc
import pytest
from aiohttp import web
from google.protobuf import json_format
from seawall.admin.v1 import admin_pb2
from seawall_client.failure import read_failure
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import gateway_for, run_seawall
from support.upstream import Upstream, in_turn, json_answer

from gateway.core.events import (
    AttemptEnded,
    BreakerChanged,
    CallRefused,
    HedgeSent,
    RetryGivenUp,
    RetryScheduled,
    UpstreamReachability,
)

ORDER = {"orderId": "o-1"}
GET = orders_pb2.GetOrderRequest(order_id="o-1")
PROTO = ("--proto", "tests/protos")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def stub(running) -> orders_pb2_grpc.OrderServiceStub:
    return orders_pb2_grpc.OrderServiceStub(running.channel)


async def outcome_of(call) -> object:
    """Return the answer of a call, or its error."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return error


async def failures(running, count: int) -> list[grpc.aio.AioRpcError]:
    """Make `count` calls, one after another, and return the errors."""
    orders, found = stub(running), []
    for _ in range(count):
        outcome = await outcome_of(orders.GetOrder(GET))
        if isinstance(outcome, grpc.aio.AioRpcError):
            found.append(outcome)
    return found


async def until(holds, within_s: float = 10.0) -> float:
    """Wait for what happens outside of this loop; return how long it took."""
    began_at = time.monotonic()
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.005)
    return time.monotonic() - began_at


# Without configuration

PROTECTION = (
    "retry",
    "breaker_check",
    "pacing",
    "concurrency",
    "endpoint",
    "breaker_permit",
    "attempt",
)


async def test_protection_is_on_without_configuration():
    async with Upstream(json_answer(ORDER)) as upstream, gateway_for(upstream.url) as running:
        pipeline = running.gateway.dispatch.find("/shop.v1.OrderService/GetOrder")
        assert tuple(name for name in pipeline.shape if name in PROTECTION) == PROTECTION
        assert pipeline.shape[:5] == ("access", "arrival", "overload", "deadline", "shed")


OFF = {
    "retry_budget": "",
    "breaker": "breaker_check",
    "pacing": "pacing",
    "adaptive_concurrency": "concurrency",
    "reachability": "endpoint",
}


@pytest.mark.parametrize("mechanism", sorted(OFF))
def test_explain_shows_each_mechanism_and_one_line_turns_it_off(mechanism: str, tmp_path):
    file = tmp_path / "seawall.yaml"
    file.write_text(f"defaults: {{upstream: {{{mechanism}: {{disabled: true}}}}}}\n")

    def explained(*more: str):
        done = run_seawall(
            *("explain", "shop.v1.OrderService/GetOrder", *PROTO, "--upstream", "http://localhost"),
            *("--format", "json", *more),
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    on, off = explained(), explained("--config", str(file))
    assert len(on["upstream"]["policy"][mechanism]) > 1
    assert all(
        origin == "built-in"
        for path, origin in on["upstream"]["origins"].items()
        if path.startswith(f"{mechanism}.")
    )
    assert off["upstream"]["policy"][mechanism] == {"disabled": True}
    if OFF[mechanism]:
        assert OFF[mechanism] in on["pipeline"]
        assert OFF[mechanism] not in off["pipeline"]


async def test_what_cannot_be_connected_to_is_refused_at_once_and_used_again_within_half_a_second():
    port = free_port()
    async with gateway_for(f"http://127.0.0.1:{port}") as running:
        errors = await failures(running, 8)
        assert len(errors) == 8
        assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
        assert read_failure(errors[-1]).reason == "NO_ENDPOINT"
        (change,) = running.of(UpstreamReachability)
        assert not change.reachable
        before = len(running.of(AttemptEnded))
        assert len(await failures(running, 20)) == 20
        assert len(running.of(AttemptEnded)) == before
        assert all(refused.mechanism == "endpoint" for refused in running.of(CallRefused)[-20:])
        async with Upstream(json_answer(ORDER), port=port):
            back_s = await until(lambda: len(running.of(UpstreamReachability)) == 2)
            assert back_s < 0.5
            assert await stub(running).GetOrder(GET)


async def test_a_breaker_opens_for_all_methods_of_an_upstream_and_closes_by_itself():
    async with Upstream(json_answer({}, 503)) as upstream, gateway_for(upstream.url) as running:
        await failures(running, 12)
        changes = running.of(BreakerChanged)
        assert (changes[0].upstream, changes[0].before, changes[0].after) == (
            "default",
            "closed",
            "open",
        )
        seen = len(upstream.requests)
        refused = [await outcome_of(stub(running).ListOrders(orders_pb2.ListOrdersRequest()))]
        refused += await failures(running, 3)
        # Its probes may come meanwhile: two at most in each of its short times.
        reasons = [read_failure(error).reason for error in refused]
        assert "BREAKER_OPEN" in reasons
        assert len(upstream.requests) - seen <= reasons.count("UPSTREAM_STATUS")
        upstream.handler = json_answer(ORDER)
        began_at = time.monotonic()
        while running.of(BreakerChanged)[-1].after != "closed":
            await outcome_of(stub(running).GetOrder(GET))
            await asyncio.sleep(0.005)
        assert time.monotonic() - began_at < 1.0
        assert await failures(running, 5) == []


async def test_a_refusal_says_when_to_come_back():
    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url) as running,
    ):
        errors = await failures(running, 30)
        refusals = [e for e in errors if read_failure(e).reason == "BREAKER_OPEN"]
        assert refusals
        for error in refusals:
            failure = read_failure(error)
            assert failure.origin == "gateway"
            assert failure.should_retry
            assert 0 < failure.retry_delay_s <= 0.5
            pushback = dict(error.trailing_metadata())["grpc-retry-pushback-ms"]
            assert 0 <= int(pushback) <= 500


async def test_retries_and_their_budget_are_shared_by_the_methods_of_an_upstream(tmp_path):
    config = """
defaults:
  upstream:
    retry_budget: {share: 0.1, min_per_second: 0.1, window: 100s}
    breaker: {disabled: true}
  method: {retry: {initial_backoff: 0.001s}, hedge: {disabled: true}}
"""
    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        await failures(running, 50)
        scheduled = len(running.of(RetryScheduled))
        assert 1 <= scheduled <= 0.1 * 50 + 0.1 * 100 + 1
        orders = stub(running)
        spent = [await outcome_of(orders.GetOrder(GET)) for _ in range(20)][-1]
        listed = await outcome_of(orders.ListOrders(orders_pb2.ListOrdersRequest()))
        for error in (spent, listed):
            assert "the retry budget is empty" in error.details()
            assert read_failure(error).attempts <= 2  # each tenth call earns one
            assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "-1"
        assert running.of(RetryGivenUp)[-1].why == "the retry budget is empty"


async def test_a_client_that_retries_by_itself_is_held_back():
    policy = {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.1s",
                    "backoffMultiplier": 1,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
    async with (
        Upstream(in_turn(*[json_answer({}, 503)] * 3, json_answer(ORDER))) as upstream,
        gateway_for(upstream.url) as running,
        grpc.aio.insecure_channel(
            running.gateway.address,
            options=[("grpc.service_config", json.dumps(policy)), ("grpc.enable_retries", 1)],
        ) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await orders_pb2_grpc.OrderServiceStub(channel).GetOrder(GET)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert len(upstream.requests) == 3  # the gateway's three, and none for the client's retries


# Several endpoints


async def test_a_retry_goes_to_another_endpoint(tmp_path):
    async with Upstream(json_answer({}, 503)) as bad, Upstream(json_answer(ORDER)) as good:
        urls = f"{bad.url},{good.url.removeprefix('http://')}"
        async with gateway_for(urls) as running:
            for _ in range(20):
                assert await stub(running).GetOrder(GET)
        assert len(good.requests) == 20
        assert 0 < len(bad.requests) <= 20


async def test_a_dead_endpoint_costs_no_call():
    async with Upstream(json_answer(ORDER)) as one, Upstream(json_answer(ORDER)) as two:
        places = [one.url, two.url.removeprefix("http://"), f"127.0.0.1:{free_port()}"]
        async with gateway_for(",".join(places)) as running:
            assert await failures(running, 60) == []
            refused = [
                event
                for event in running.of(AttemptEnded)
                if event.outcome is not None and event.outcome.error is not None
            ]
            assert len(refused) <= 2  # then it is known to be unreachable
        assert len(one.requests) + len(two.requests) == 60


# Hedging


async def test_a_slow_attempt_gets_company_and_its_connection_is_closed(tmp_path):
    inside = 0

    async def slow(_request: web.BaseRequest) -> web.StreamResponse:
        nonlocal inside
        inside += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            inside -= 1
        raise AssertionError

    config = "defaults: {method: {hedge: {delay: 0.05s, max_share: 1}}}"
    async with (
        Upstream(json_answer(ORDER)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        assert await failures(running, 10) == []
        upstream.handler = in_turn(slow, json_answer(ORDER))
        assert (await stub(running).GetOrder(GET)).order_id == "o-1"
        (hedge,) = running.of(HedgeSent)
        assert hedge.attempt == 2
        await until(lambda: inside == 0)
        assert upstream.disconnects == 1


# Operators


async def test_operators_read_the_state_by_rpc(tmp_path):
    config = "admin: {enabled: true}"
    async with (
        Upstream(json_answer({}, 503)) as upstream,
        gateway_for(upstream.url, config=config, tmp_path=tmp_path) as running,
    ):
        await failures(running, 12)
        ask = running.channel.unary_unary(
            "/seawall.admin.v1.AdminService/ListUpstreams",
            request_serializer=admin_pb2.ListUpstreamsRequest.SerializeToString,
            response_deserializer=admin_pb2.ListUpstreamsResponse.FromString,
        )
        answer = await ask(admin_pb2.ListUpstreamsRequest())
        found = json_format.MessageToDict(answer)["upstreams"]
        assert [one["name"] for one in found] == ["default"]
        assert found[0]["endpoints"][0]["address"] == upstream.url.removeprefix("http://")
        assert found[0]["breakers"][0]["state"] in ("STATE_OPEN", "STATE_HALF_OPEN")
        assert found[0]["concurrency"]["limit"] >= 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(admin_pb2.ListUpstreamsRequest(names=["other"]))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_without_the_line_there_is_no_admin_service():
    async with Upstream(json_answer(ORDER)) as upstream, gateway_for(upstream.url) as running:
        ask = running.channel.unary_unary("/seawall.admin.v1.AdminService/ListUpstreams")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(b"")
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
