"""SIGTERM under closed-loop saturation, on the process that users start.

No call that reached a handler fails; no caller sees CANCELLED; UNAVAILABLE is for
calls that never reached one; health says NOT_SERVING before the first of them.
"""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from seawall_client import read_failure
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import PROTOS, GatewayProcess, seawall_process
from support.upstream import Upstream

CONNECTIONS = 8
CALLS_PER_CONNECTION = 8


@dataclass
class Seen:
    codes: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    first_unavailable_at: float = float("inf")
    not_serving_at: float = float("inf")


async def slow_order(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(0.01)
    return web.json_response({"orderId": "1"})


async def keep_calling(address: str, seen: Seen) -> None:
    """Call in closed loops until the gateway takes no more."""

    async def loop(stub: orders_pb2_grpc.OrderServiceStub) -> None:
        request = orders_pb2.GetOrderRequest(order_id="1")
        while True:
            try:
                await stub.GetOrder(request, timeout=20)
                seen.codes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                seen.codes[error.code().name] += 1
                seen.details[error.details() or ""] += 1
                seen.first_unavailable_at = min(seen.first_unavailable_at, time.monotonic())
                return

    channels = [
        grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(CONNECTIONS)
    ]
    stubs = [orders_pb2_grpc.OrderServiceStub(channel) for channel in channels]
    await asyncio.gather(*(loop(s) for s in stubs for _ in range(CALLS_PER_CONNECTION)))
    for channel in channels:
        await channel.close()


async def watch_health(address: str, seen: Seen) -> list[int]:
    statuses = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
            statuses.append(answer.status)
            if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                seen.not_serving_at = time.monotonic()
    return statuses


def logged_codes(gateway: GatewayProcess) -> Counter[str]:
    codes: Counter[str] = Counter()
    for line in gateway.log.read_text().splitlines():
        entry = json.loads(line)
        if entry["event"] == "call" and entry["method"] == "shop.v1.OrderService/GetOrder":
            codes[entry["code"]] += 1
    return codes


async def drain_once(tmp_path: Path) -> tuple[Seen, list[int], Counter[str], int]:
    async with Upstream(slow_order) as upstream:
        upstream.record = False
        with seawall_process(
            *("--proto", str(PROTOS), "--upstream", upstream.url, "--log-format", "json"),
            tmp_path=tmp_path,
        ) as gateway:
            seen = Seen()
            watching = asyncio.create_task(watch_health(gateway.address, seen))
            calling = asyncio.create_task(keep_calling(gateway.address, seen))
            async with asyncio.timeout(60):
                while seen.codes["OK"] < 300:
                    await asyncio.sleep(0.01)
                gateway.terminate()
                await calling
                statuses = await watching
                status = await asyncio.to_thread(gateway.process.wait)
            return seen, statuses, logged_codes(gateway), status


@pytest.mark.parametrize("repetitions", [2, pytest.param(10, marks=pytest.mark.full)])
async def test_sigterm_at_saturation_fails_no_call_that_reached_a_handler(
    repetitions: int, tmp_path: Path
):
    for _ in range(repetitions):
        seen, statuses, logged, exit_status = await drain_once(tmp_path)
        # Every loop ends by one refusal of a call that never got in.
        assert set(seen.codes) == {"OK", "UNAVAILABLE"}, (seen.codes, seen.details)
        assert seen.codes["UNAVAILABLE"] == CONNECTIONS * CALLS_PER_CONNECTION
        assert logged == {"OK": seen.codes["OK"]}
        assert statuses == [
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        ]
        assert seen.not_serving_at < seen.first_unavailable_at
        assert exit_status == 0


async def test_a_call_longer_than_the_grace_is_cut_and_the_process_ends(tmp_path: Path):
    async def never(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    config = tmp_path / "c.yaml"
    config.write_text("drain: {grace: 0.3s}")
    async with Upstream(never) as upstream:
        with seawall_process(
            *("--proto", str(PROTOS), "--upstream", upstream.url, "--config", str(config)),
            tmp_path=tmp_path,
        ) as gateway:
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                stub = orders_pb2_grpc.OrderServiceStub(channel)
                call = stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"), timeout=60)
                async with asyncio.timeout(30):
                    while not upstream.requests:
                        await asyncio.sleep(0.01)
                    gateway.terminate()
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await call
                    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
                    assert read_failure(caught.value).reason == "DRAINING"
                    assert await asyncio.to_thread(gateway.process.wait) == 0
                    while upstream.open_connections:
                        await asyncio.sleep(0.01)


async def test_an_idle_reflection_stream_does_not_hold_the_end(tmp_path: Path):
    async with Upstream(slow_order) as upstream:
        with seawall_process(
            "--proto", str(PROTOS), "--upstream", upstream.url, tmp_path=tmp_path
        ) as gateway:
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                call = channel.stream_stream(
                    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
                )()
                await call.write(b"\x3a\x00")  # list_services
                await call.read()
                gateway.terminate()
                async with asyncio.timeout(10):  # the grace is 30 s
                    assert await call.read() is grpc.aio.EOF
                    assert await call.code() is grpc.StatusCode.OK
                    assert await asyncio.to_thread(gateway.process.wait) == 0


async def test_a_second_gateway_on_the_port_is_an_error(tmp_path: Path):
    from support.gateways import run_seawall

    async with Upstream(slow_order) as upstream:
        with seawall_process(
            "--proto", str(PROTOS), "--upstream", upstream.url, tmp_path=tmp_path
        ) as gateway:
            second = await asyncio.to_thread(
                run_seawall,
                *("serve", "--proto", str(PROTOS), "--upstream", upstream.url),
                *("--listen", gateway.address, "--ops-listen", "off"),
            )
    assert second.returncode == 1
    assert "the port is in use" in second.stderr
    assert "Traceback" not in second.stderr
