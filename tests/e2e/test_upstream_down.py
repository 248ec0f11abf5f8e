"""An upstream that is away is no bad input: the gateway starts, says why, and recovers."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from e2e.details import Failure, failure
from grpc_health.v1 import health_pb2, health_pb2_grpc
from seawall.error.v1.error_pb2 import UserMessage
from shop.v1 import orders_pb2 as pb
from shop.v1.orders_pb2_grpc import OrderServiceStub
from support.gateways import PROTOS, GatewayProcess, seawall_process
from support.upstream import RawUpstream, Upstream, json_answer

Code = grpc.StatusCode
SERVICE = "shop.v1.OrderService"
ORDER = json_answer({"orderId": "o-1"})


@pytest.fixture
def free_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def certificate(folder: Path, host: str, name: str) -> ssl.SSLContext:
    """Make a self-signed certificate; NAME.pem can be trusted, NAME.key is its key."""
    if shutil.which("openssl") is None:
        missing = "openssl is missing; it makes this test's certificates"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)  # outside of CI openssl is the developer's to install
    kind = "IP" if host[0].isdigit() else "DNS"
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{host}")
    files = ("-keyout", str(key), "-out", str(pem))
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key)
    return context


@asynccontextmanager
async def tls_upstream(context: ssl.SSLContext, port: int) -> AsyncIterator[None]:
    """Serve the order over TLS."""
    server = web.Server(ORDER, access_log=None)
    listener = await asyncio.get_running_loop().create_server(
        server, "127.0.0.1", port, ssl=context
    )
    try:
        yield
    finally:
        listener.close()
        await server.shutdown(0.1)


async def get_order(seawall: GatewayProcess) -> pb.Order:
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        stub = OrderServiceStub(channel)
        return await stub.GetOrder(pb.GetOrderRequest(order_id="o-1"), timeout=30)


async def order_soon(seawall: GatewayProcess) -> pb.Order:
    """Return the order once the gateway has found its upstream again."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await get_order(seawall)
            except grpc.aio.AioRpcError as error:
                if error.code() is not Code.UNAVAILABLE:
                    raise
            await asyncio.sleep(0.02)


async def failed_order(seawall: GatewayProcess, code: Code = Code.UNAVAILABLE) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await get_order(seawall)
    error = failure(caught.value)
    assert error.code is code
    assert error.metadata["upstream"] == "default"
    # What is known to be unreachable is refused by the gateway itself, with the last reason.
    refused = error.reason == "NO_ENDPOINT"
    assert error.metadata["origin"] == ("gateway" if refused else "upstream")
    assert error.detail(UserMessage).action
    return error


def page(seawall: GatewayProcess, path: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(f"http://{seawall.ops.removeprefix('http://')}{path}") as answer:
        return answer.status, answer.read()


async def assert_healthy(seawall: GatewayProcess) -> None:
    for path in ("/livez", "/readyz"):
        assert await asyncio.to_thread(page, seawall, path) == (200, b"ok\n")
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def serve(tmp_path: Path, *arguments: str):
    return seawall_process("--proto", str(PROTOS), *arguments, tmp_path=tmp_path)


async def test_an_upstream_that_is_down_is_unreachable_until_it_comes_up(
    tmp_path: Path, free_port: int
) -> None:
    with serve(tmp_path, "--upstream", f"http://127.0.0.1:{free_port}") as seawall:
        error = await failed_order(seawall)
        assert error.reason == "UPSTREAM_UNREACHABLE"
        assert f"127.0.0.1:{free_port}" in error.message
        assert error.metadata["attempts"] == "2"  # then it is known to be unreachable
        assert error.detail(UserMessage).should_retry
        known = await failed_order(seawall)
        assert (known.reason, known.metadata["attempts"]) == ("NO_ENDPOINT", "0")
        assert f"127.0.0.1:{free_port}" in known.message
        await assert_healthy(seawall)
        for _ in range(2):
            async with Upstream(ORDER, port=free_port):
                assert (await order_soon(seawall)).order_id == "o-1"
            assert (await failed_order(seawall)).reason in ("UPSTREAM_UNREACHABLE", "NO_ENDPOINT")
        await assert_healthy(seawall)


async def test_an_upstream_whose_name_does_not_resolve_is_named(tmp_path: Path) -> None:
    with serve(tmp_path, "--upstream", "http://orders.invalid:8080") as seawall:
        error = await failed_order(seawall)
        assert error.reason == "UPSTREAM_UNRESOLVED"
        assert "does not resolve" in error.message
        assert "'orders.invalid'" in error.message
        await assert_healthy(seawall)


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, free_port: int
) -> None:
    context = certificate(tmp_path, "127.0.0.1", "stranger")
    async with tls_upstream(context, free_port):
        with serve(tmp_path, "--upstream", f"https://127.0.0.1:{free_port}") as seawall:
            error = await failed_order(seawall)
            assert error.reason == "UPSTREAM_TLS"
            assert "self-signed certificate" in error.message
            assert error.metadata["attempts"] == "1"
            assert not error.detail(UserMessage).should_retry
            await assert_healthy(seawall)


def trusting(folder: Path, name: str, port: int) -> tuple[str, str]:
    """Return the flags for a configuration that trusts NAME.pem."""
    config = folder / "seawall.yaml"
    config.write_text(
        "upstreams:\n"
        "  default:\n"
        f"    url: https://127.0.0.1:{port}\n"
        "    policy:\n"
        f"      tls: {{ca_file: {folder / name}.pem}}\n"
    )
    return "--config", str(config)


async def test_a_certificate_in_ca_file_is_trusted_and_no_other_is(
    tmp_path: Path, free_port: int
) -> None:
    trusted = certificate(tmp_path, "127.0.0.1", "trusted")
    stranger = certificate(tmp_path, "127.0.0.1", "stranger")
    with serve(tmp_path, *trusting(tmp_path, "trusted", free_port)) as seawall:
        assert (await failed_order(seawall)).reason == "UPSTREAM_UNREACHABLE"
        async with tls_upstream(stranger, free_port):
            for _ in range(50):  # until a probe has met it
                if "certificate" in (error := await failed_order(seawall)).message:
                    break
                await asyncio.sleep(0.05)
            assert "self-signed certificate" in error.message
        async with tls_upstream(trusted, free_port):
            assert (await order_soon(seawall)).order_id == "o-1"


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path, free_port: int) -> None:
    other = certificate(tmp_path, "other.invalid", "other")
    async with tls_upstream(other, free_port):
        with serve(tmp_path, *trusting(tmp_path, "other", free_port)) as seawall:
            error = await failed_order(seawall)
            assert error.reason == "UPSTREAM_TLS"
            assert "127.0.0.1" in error.message


async def test_an_upstream_that_speaks_no_tls_fails_tls(tmp_path: Path, free_port: int) -> None:
    async with Upstream(ORDER, port=free_port):
        with serve(tmp_path, "--upstream", f"https://127.0.0.1:{free_port}") as seawall:
            assert (await failed_order(seawall)).reason == "UPSTREAM_TLS"


async def test_an_upstream_that_speaks_no_http_is_an_invalid_answer(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.invalid ESMTP\r\n")
        await writer.drain()

    async with RawUpstream(greet) as upstream:
        with serve(tmp_path, "--upstream", upstream.url) as seawall:
            error = await failed_order(seawall, Code.INTERNAL)
            assert error.reason == "UPSTREAM_INVALID_ANSWER"


async def test_an_upstream_that_hangs_up_is_a_reset(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with RawUpstream(hang_up) as upstream:
        with serve(tmp_path, "--upstream", upstream.url) as seawall:
            error = await failed_order(seawall)
            assert error.reason == "UPSTREAM_RESET"
            assert upstream.connections == 3
