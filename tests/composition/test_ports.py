"""One port, one gateway: calls of many connections, and two gateways that want it at once."""

import asyncio
import socket
import subprocess
import sys

import grpc
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import PROTOS, gateway_for
from support.upstream import Upstream, json_answer


async def test_every_connection_reaches_the_same_gateway() -> None:
    async with Upstream(json_answer({"orderId": "1"})) as upstream:
        async with gateway_for(upstream.url) as running:
            options = [("grpc.use_local_subchannel_pool", 1)]
            address = running.gateway.address
            for _ in range(16):
                async with grpc.aio.insecure_channel(address, options=options) as channel:
                    stub = orders_pb2_grpc.OrderServiceStub(channel)
                    request = orders_pb2.GetOrderRequest(order_id="1")
                    assert (await stub.GetOrder(request)).order_id == "1"
    assert len(upstream.requests) == 16


async def test_of_two_gateways_that_start_at_once_one_has_the_port() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "gateway", "serve", "--proto", str(PROTOS)),
        *("--upstream", "http://127.0.0.1:1", "--listen", f"127.0.0.1:{port}"),
        *("--ops-listen", "off"),
    ]
    both = [
        await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        ended, running = await asyncio.wait(
            [asyncio.create_task(process.wait()) for process in both],
            return_when=asyncio.FIRST_COMPLETED,
            timeout=60,
        )
        assert (len(ended), len(running)) == (1, 1)
        (loser,) = (process for process in both if process.returncode is not None)
        (winner,) = (process for process in both if process.returncode is None)
        assert loser.returncode == 1
        assert loser.stderr is not None
        assert b"the port is in use" in await loser.stderr.read()
        assert winner.stdout is not None
        told = b""
        while b"gRPC on" not in told:
            told = await winner.stdout.readline()
            assert told, "the other one did not start either"
    finally:
        for process in both:
            if process.returncode is None:
                process.kill()
            await process.communicate()
