"""grpc.health.v1 over a real socket."""

import asyncio
import hashlib

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.calls import Recorder
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer

from gateway.chain import OwnOptions, Surroundings, local_pipeline
from gateway.core.call import Call
from gateway.core.errors import CallError
from gateway.core.events import CallEnded, Events
from gateway.core.status import Code
from gateway.ingress.health import MAX_LISTED, NOT_SERVING, SERVING, Health
from gateway.interceptors.auth import ApiKey, ApiKeysOptions, AuthOptions, Providers

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


async def test_a_watch_ends_when_its_key_is_withdrawn(tmp_path):
    path = tmp_path / "keys"
    path.write_text("ann")
    key = ApiKey(caller="ann", sha256=hashlib.sha256(b"ann's key").digest())
    clock, said = FakeClock(), Recorder()
    providers = Providers(
        [ApiKeysOptions(name="keys", file=path)],
        clock=clock,
        rng=FakeRng(),
        events=Events([said]),
        fetch=lambda _options: None,
        read_keys=lambda found: [key] if found.read_text() else [],
    )
    around = Surroundings(clock=clock, rng=FakeRng(), events=Events([said]), providers=providers)
    watch = next(method for method in Health(()).targets() if method.name == "Watch")
    target = Health(()).targets()[watch]
    pipeline = local_pipeline(watch, target, OwnOptions(auth=AuthOptions()), around)
    told = []

    async def sink(payload: bytes) -> None:
        told.append(Status.FromString(payload).status)

    call = Call(watch, sink, arrived_at=clock.now(), metadata=[("x-api-key", "ann's key")])
    watching = asyncio.ensure_future(pipeline.run(call))
    for _ in range(10):
        await asyncio.sleep(0)
    assert told == [NOT_SERVING]
    path.write_text("")
    for _ in range(2):
        await providers.by_name["keys"].look()
    clock.advance(5)
    error = (await watching).error
    assert error is not None
    assert error.code is Code.UNAUTHENTICATED
    assert [event.code for event in said if isinstance(event, CallEnded)] == [error.code]
