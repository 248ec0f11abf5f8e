"""grpc.health.v1 over a real socket."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer

from gateway.core.errors import CallError
from gateway.core.status import Code
from gateway.ingress.health import MAX_LISTED, NOT_SERVING, SERVING, Health

Request = health_pb2.HealthCheckRequest
Status = health_pb2.HealthCheckResponse


async def requests_of(service: str):
    yield Request(service=service)


async def test_a_running_gateway_serves_itself_and_its_services():
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        stub = health_pb2_grpc.HealthStub(running.channel)
        for service in ("", "shop.v1.OrderService"):
            assert (await stub.Check(Request(service=service))).status == Status.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(Request(service="nobody"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        listed = await stub.List(health_pb2.HealthListRequest())
        assert {n: s.status for n, s in listed.statuses.items()} == {
            "": Status.SERVING,
            "shop.v1.OrderService": Status.SERVING,
        }


async def test_a_dead_upstream_does_not_change_it():
    async with gateway_for("http://127.0.0.1:1") as running:
        stub = health_pb2_grpc.HealthStub(running.channel)
        assert (await stub.Check(Request())).status == Status.SERVING


async def test_watch_tells_each_change_once():
    health = Health(["s"])
    told = []

    async def watch() -> None:
        async for answer in health.watch(requests_of("s")):
            told.append(answer.status)  # noqa: PERF401 - seen from outside while it grows

    task = asyncio.ensure_future(watch())
    for status in (NOT_SERVING, SERVING, SERVING, NOT_SERVING):
        health.set_all(status)
        for _ in range(5):
            await asyncio.sleep(0)
    health.end_watches()
    await task
    assert told == [NOT_SERVING, SERVING, NOT_SERVING]


async def test_a_busy_watcher_is_told_the_last_change_before_the_end():
    health = Health([])
    health.set_all(SERVING)
    watching = health.watch(requests_of(""))
    assert (await anext(watching)).status == SERVING
    health.set_all(NOT_SERVING)
    health.end_watches()
    assert [answer.status async for answer in watching] == [NOT_SERVING]


async def test_watching_an_unknown_service_waits_for_it():
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        call = health_pb2_grpc.HealthStub(running.channel).Watch(Request(service="later"))
        assert (await call.read()).status == Status.SERVICE_UNKNOWN
        call.cancel()


async def test_a_cancelled_watch_leaves_nothing():
    health = Health([])
    task = asyncio.ensure_future(anext(aiter(health.watch(requests_of("")))))
    await task
    waiting = health.watch(requests_of(""))
    await anext(waiting)
    task = asyncio.ensure_future(anext(waiting))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_list_is_bounded_as_the_protocol_says():
    health = Health([f"s{i}" for i in range(MAX_LISTED)])
    with pytest.raises(CallError) as caught:
        health.list(None)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


async def test_a_malformed_request_is_an_invalid_argument():
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
