"""The upstream's capacity and its faults, over real sockets."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from bench.chaos.plan import Capacity, Fault, Plan
from bench.chaos.ports import free_port
from bench.chaos.simulator import Service

ORDER = b'{"orderId": "ORDER"}'
SERVICE_S = 0.05


@asynccontextmanager
async def upstream(*faults: Fault, workers: int = 2, max_queued: int = 1, endpoints: int = 1):
    ports = [free_port() for _ in range(endpoints)]
    capacity = Capacity(workers=workers, service_s=SERVICE_S, max_queued=max_queued)
    service = Service(Plan(seed=1, capacity=capacity, faults=faults), ports, ORDER, b"ORDER")
    await service.open()
    service.start(time.monotonic())
    try:
        yield service, ports
    finally:
        await service.close()


async def get(port: int, call: str = "C1", path: str | None = None) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await ask(reader, writer, path or f"/v1/orders/{call}")
    finally:
        writer.close()


async def ask(reader, writer, path: str) -> tuple[int, bytes]:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def test_a_call_is_answered_with_its_own_name():
    async with upstream() as (service, (port,)):
        assert await get(port, "C000007") == (200, b'{"orderId": "C000007"}')
        assert service.stats["received"] == service.stats["answered"] == 1


async def test_what_finds_workers_busy_waits_and_what_finds_the_queue_full_is_refused():
    async with upstream() as (service, (port,)):
        began_at = time.monotonic()
        answers = await asyncio.gather(*(get(port, f"C{number}") for number in range(5)))
        assert sorted(status for status, _ in answers) == [200, 200, 200, 503, 503]
        assert time.monotonic() - began_at >= 1.6 * SERVICE_S  # two rounds, 20 % less at best
        assert service.stats["refused"] == 2
        assert service.stats["max_concurrency"] == 3


async def test_a_connection_serves_one_request_after_the_other():
    async with upstream() as (_, (port,)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for name in ("C1", "C2"):
            assert (await ask(reader, writer, f"/v1/orders/{name}"))[0] == 200
        writer.close()


async def test_a_chunked_body_of_nothing_is_no_request_of_its_own():
    async with upstream() as (service, (port,)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"GET /v1/orders/C1 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        assert service.stats["received"] == 1


async def test_health_checks_cost_no_worker():
    async with upstream(workers=1, max_queued=0) as (service, (port,)):
        call = asyncio.create_task(get(port))
        assert (await get(port, path="/healthz"))[0] == 200
        assert (await call)[0] == 200
        assert service.stats["health"] == 1
        assert service.stats["received"] == 1


async def test_a_caller_that_left_is_served_all_the_same_and_counted_as_wasted():
    async with upstream() as (service, (port,)):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/orders/C1 HTTP/1.1\r\n\r\n")
        await writer.drain()
        writer.close()
        await until(lambda: service.stats["wasted"] == 1)
        assert service.stats["answered"] == 0


async def test_errors_are_answered_503():
    async with upstream(Fault(kind="errors", share=1.0)) as (service, (port,)):
        assert (await get(port))[0] == 503
        assert service.stats["failed"] == 1


async def test_a_cut_body_is_a_reset_after_the_head():
    async with upstream(Fault(kind="resets", share=1.0)) as (service, (port,)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)) as caught:
            await ask(reader, writer, "/v1/orders/C1")
        writer.close()
        assert service.stats["cut"] == 1
        assert caught.type is ConnectionResetError


async def test_an_endpoint_goes_away_with_its_connections_and_comes_back_on_its_port():
    away = Fault(kind="away", from_s=0.1, until_s=0.4)
    async with upstream(away) as (service, (port,)):
        assert (await get(port))[0] == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await get(port)
        await asyncio.sleep(max(0.0, 0.45 - service.now()))
        assert (await get(port))[0] == 200


async def test_what_is_served_when_an_endpoint_goes_away_is_lost():
    away = Fault(kind="away", from_s=0.02, until_s=0.1)
    async with upstream(away, workers=1, max_queued=1) as (service, (port,)):
        lost = await asyncio.gather(get(port), get(port, "C2"), return_exceptions=True)
        assert all(isinstance(error, (OSError, EOFError)) for error in lost)
        assert service.stats["lost"] == 2
        await asyncio.sleep(max(0.0, 0.15 - service.now()))
        assert (await get(port, "C3"))[0] == 200


async def test_one_endpoint_away_leaves_the_others():
    async with upstream(Fault(kind="away", endpoints=(0,)), endpoints=2) as (_, ports):
        with pytest.raises(ConnectionRefusedError):
            await get(ports[0])
        assert (await get(ports[1]))[0] == 200


async def test_workers_that_come_back_take_what_waits():
    fewer = Fault(kind="fewer_workers", from_s=0.0, until_s=0.06, share=0.25)
    async with upstream(fewer, workers=4, max_queued=10) as (service, (port,)):
        began_at = time.monotonic()
        answers = await asyncio.gather(*(get(port, f"C{number}") for number in range(5)))
        assert [status for status, _ in answers] == [200] * 5
        assert time.monotonic() - began_at < 4 * SERVICE_S  # one worker alone takes five times
        assert service.stats["max_concurrency"] == 5


async def test_the_start_forgets_the_warm_up():
    async with upstream() as (service, (port,)):
        await get(port)
        service.start(time.monotonic())
        assert service.stats["received"] == 0


async def until(claim, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not claim():
            await asyncio.sleep(0.005)
