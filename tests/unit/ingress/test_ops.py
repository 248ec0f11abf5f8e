"""The ops port, over a real socket."""

import aiohttp
import pytest
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import gateway_for
from support.upstream import Upstream, in_turn, json_answer

from gateway.core.errors import ConfigError
from gateway.ingress.address import parse_address
from gateway.ingress.ops import OpsServer


async def read(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_it_says_whether_the_process_lives_and_takes_calls():
    ready = False
    ops = OpsServer(parse_address("127.0.0.1:0", ""), lambda: ready, lambda: b"")
    await ops.start()
    try:
        assert await read(f"http://{ops.address}/livez") == (200, "ok\n")
        assert await read(f"http://{ops.address}/readyz") == (503, "not serving\n")
        ready = True
        assert await read(f"http://{ops.address}/readyz") == (200, "ok\n")
        assert (await read(f"http://{ops.address}/other"))[0] == 404
    finally:
        await ops.stop()


async def test_a_port_in_use_is_told():
    ops = OpsServer(parse_address("127.0.0.1:0", ""), lambda: True, lambda: b"")
    await ops.start()
    try:
        second = OpsServer(ops.address, lambda: True, lambda: b"")
        with pytest.raises(ConfigError, match=r"--ops-listen: .*the port is in use"):
            await second.start()
        await second.stop()
    finally:
        await ops.stop()


async def test_metrics_count_calls_attempts_and_retries():
    handler = in_turn(json_answer({}, 503), json_answer({}), json_answer({}, 404))
    async with Upstream(handler) as upstream, gateway_for(upstream.url) as running:
        stub = orders_pb2_grpc.OrderServiceStub(running.channel)
        await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"))
        with pytest.raises(Exception, match="404"):
            await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="1"))
        status, page = await read(f"http://{running.gateway.ops_address}/metrics")
    assert status == 200
    service = 'service="shop.v1.OrderService"'
    of = f'method="GetOrder",{service}'
    for line in (
        f'seawall_calls_total{{code="OK",{of}}} 1.0',
        f'seawall_calls_total{{code="NOT_FOUND",{of}}} 1.0',
        f'seawall_attempts_total{{method="GetOrder",outcome="failure",{service}}} 1.0',
        f'seawall_attempts_total{{method="GetOrder",outcome="success",{service}}} 1.0',
        f'seawall_attempts_total{{method="GetOrder",outcome="ignored",{service}}} 1.0',
        f'seawall_retries_total{{decision="scheduled",{of}}} 1.0',
        f"seawall_call_duration_seconds_count{{{of}}} 2.0",
        f"seawall_attempt_duration_seconds_count{{{of}}} 3.0",
        "seawall_calls_in_flight 0.0",
    ):
        assert line in page
