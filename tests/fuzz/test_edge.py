"""Bytes that nobody meant, from inside (hypothesis, atheris) and over the wire.

The rules are those at the top of `edge.py`; over the wire also: the process lives, its log has
no traceback, its memory stays, and the next good call is answered.
"""

import asyncio
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fuzz.edge import CALLERS_FAULT, CONFIG, NAMES, PROTOS, Edge, metadata_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.gateways import TESTS, GatewayProcess, seawall_process
from support.upstream import Upstream, json_answer

from gateway.core.status import Code

PATHS = (
    "/shop.v1.OrderService/GetOrder",
    "/shop.v1.OrderService/UpdateOrder",
    "/shop.v1.OrderService/ListOrders",
    "/shop.v1.OrderService/WatchOrders",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
)


# From inside


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def edge(loop: asyncio.AbstractEventLoop) -> Iterator[Edge]:
    edge = Edge()
    loop.run_until_complete(edge.start())
    yield edge
    loop.run_until_complete(edge.stop())


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=st.integers(0, 99), request=st.binary(max_size=512), said=st.binary(max_size=256))
def test_random_messages_and_metadata_are_the_callers_fault(
    edge: Edge, loop: asyncio.AbstractEventLoop, number: int, request: bytes, said: bytes
) -> None:
    pipeline = edge.pipelines[number % len(edge.pipelines)]
    loop.run_until_complete(edge.call(pipeline, request, tuple(metadata_of(said))))


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order_id=st.text(max_size=64), token=st.text(max_size=64), name=st.sampled_from(NAMES))
def test_text_stays_within_its_template_and_its_header(
    edge: Edge, loop: asyncio.AbstractEventLoop, order_id: str, token: str, name: str
) -> None:
    for method, number in (("GetOrder", 1), ("CancelOrder", 1), ("ListOrders", 2)):
        (pipeline,) = (
            p for p in edge.pipelines if p.method.full_name == f"shop.v1.OrderService/{method}"
        )
        text = order_id.encode()
        request = bytes([number << 3 | 2]) + _varint(len(text)) + text
        loop.run_until_complete(edge.call(pipeline, request, ((name, token),)))


def _varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + _varint(number >> 7) if number > 127 else bytes([number])


def _guided(seconds: int) -> int:
    """Run atheris; return how many inputs it tried."""
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.guided", f"--seconds={seconds}", "--seed=7"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'generated'}:{TESTS.parent}"},
        timeout=seconds + 90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (tried,) = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
    return int(tried)


def test_inputs_that_reach_new_branches_break_nothing() -> None:
    assert _guided(5) > 1_000


@pytest.mark.full
def test_a_minute_of_inputs_that_reach_new_branches_breaks_nothing() -> None:
    assert _guided(60) > 20_000


# Over the wire


@pytest.fixture
async def served(tmp_path: Path) -> object:
    async with Upstream(json_answer({})) as upstream:
        upstream.record = False
        arguments = ("--proto", str(PROTOS), "--config", str(CONFIG), "--log-format", "json")
        started = seawall_process(*arguments, f"--upstream={upstream.url}", tmp_path=tmp_path)
        seawall = await asyncio.to_thread(started.__enter__)
        try:
            yield seawall
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)


def _rss_kib(seawall: GatewayProcess) -> int:
    status = Path(f"/proc/{seawall.process.pid}/status").read_text()
    (found,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(found)


async def _still_well(seawall: GatewayProcess) -> None:
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await check(b"", timeout=10) == b"\x08\x01"
    assert seawall.process.poll() is None
    log = seawall.log.read_text()  # UTF-8, whatever peers sent
    assert "Traceback" not in log


async def _call_anything(channel: grpc.aio.Channel, rng: random.Random) -> Code:
    path = rng.choice(PATHS)
    if rng.random() < 0.3:
        path = "/" + "".join(chr(rng.randrange(33, 127)) for _ in range(rng.randrange(1, 60)))
    metadata = [
        (name, rng.randbytes(rng.randrange(60)) if name.endswith("-bin") else _printable(rng))
        for name in rng.sample(NAMES, rng.randrange(4))
    ]
    request = rng.randbytes(rng.randrange(rng.choice((4, 64, 4096))))
    call = channel.unary_stream(path)(request, metadata=metadata, timeout=10)
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError:
        pass
    return Code((await call.code()).value[0])


def _printable(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(32, 127)) for _ in range(rng.randrange(80))).strip()


async def _storm(seawall: GatewayProcess, rng: random.Random, calls: int) -> set[Code]:
    codes: set[Code] = set()
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        for _ in range(calls // 20):
            codes |= set(await asyncio.gather(*(_call_anything(channel, rng) for _ in range(20))))
    return codes


async def test_random_calls_over_the_wire_have_no_status_of_a_failure(
    served: GatewayProcess,
) -> None:
    rng = random.Random(11)
    codes = await _storm(served, rng, 400)
    before = await asyncio.to_thread(_rss_kib, served)
    codes |= await _storm(served, rng, 2_000)
    after = await asyncio.to_thread(_rss_kib, served)
    assert codes <= CALLERS_FAULT | {Code.OK}
    assert len(codes) > 3  # it was refused for more than one reason
    assert after - before < before * 0.1
    await _still_well(served)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _throw(address: str, payload: bytes) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.settimeout(0.05)
        try:
            connection.sendall(payload)
            while connection.recv(65536):
                pass
        except (TimeoutError, ConnectionError):
            pass


def _frames(rng: random.Random) -> bytes:
    """Frames with the right length, and anything in them."""
    found = b"\0\0\0\4\0\0\0\0\0"  # SETTINGS, empty
    for _ in range(rng.randrange(1, 12)):
        body = rng.randbytes(rng.randrange(80))
        head = len(body).to_bytes(3) + bytes((rng.randrange(12), rng.randrange(256)))
        found += head + rng.randrange(12).to_bytes(4) + body
    return found


@pytest.mark.parametrize(
    "payload",
    [
        lambda rng: rng.randbytes(rng.randrange(1, 2000)),
        lambda rng: PREFACE + rng.randbytes(rng.randrange(1, 2000)),
        lambda rng: PREFACE + _frames(rng),
        lambda rng: b"GET / HTTP/1.1\r\n" + rng.randbytes(200) + b"\r\n\r\n",
        lambda rng: b"\x16\x03\x01" + rng.randbytes(300),
    ],
    ids=["noise", "noise-after-the-preface", "frames", "http1", "tls"],
)
async def test_random_bytes_on_the_socket_do_no_harm(served: GatewayProcess, payload) -> None:
    rng = random.Random(5)
    for _ in range(60):
        await asyncio.to_thread(_throw, served.address, payload(rng))
    await _still_well(served)
