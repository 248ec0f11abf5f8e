"""The load client counts, judges and measures what a real grpc.aio server does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from bench.load import LoadClient, LoadError, LoadOptions, LoadResult

PATH = "/any.v1.Service/Method"
Handler = Callable[[bytes, Any], Awaitable[bytes]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async def handle(request: bytes, context: Any) -> bytes:
        return await handler(request, context)

    class Generic(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method != PATH:
                return None
            return grpc.unary_unary_rpc_method_handler(handle)

    server = grpc.aio.server(handlers=(Generic(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def load(address: str, *, seconds=float("inf"), calls=float("inf"), **options) -> LoadResult:
    def run() -> LoadResult:
        given = {"path": PATH, "request": b"ask", "concurrency": 8, "connections": 3} | options
        with LoadClient(address, LoadOptions(**given)) as client:
            return client.run(seconds=seconds, calls=calls)

    return await asyncio.to_thread(run)


class Counting:
    """Answers with `answer`; knows how many calls came and how many were inside at once."""

    def __init__(self, answer: bytes = b"answer", delay_s: float = 0.0) -> None:
        self.answer = answer
        self.delay_s = delay_s
        self.calls = 0
        self.inside = 0
        self.most_inside = 0
        self.requests: set[bytes] = set()

    async def __call__(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        self.requests.add(request)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.inside -= 1
        return self.answer


async def test_counts_exactly_the_calls_it_was_asked_for():
    handler = Counting()
    async with serving(handler) as address:
        result = await load(address, calls=1003, answer_bytes=6)
    assert handler.calls == result.calls == len(result.latencies_s) == 1003
    assert result.failed == 0
    assert handler.requests == {b"ask"}


async def test_every_call_started_within_the_time_is_counted():
    handler = Counting()
    async with serving(handler) as address:
        result = await load(address, seconds=0.2, answer_bytes=6)
    assert handler.calls == result.calls > 8
    assert result.elapsed_s >= 0.2


async def test_keeps_as_many_calls_in_flight_as_it_was_told():
    handler = Counting(delay_s=0.02)
    async with serving(handler) as address:
        await load(address, calls=110, concurrency=11, connections=4)
    assert handler.most_inside == 11


async def test_two_runs_on_the_same_connections_are_counted_apart():
    handler = Counting()

    def run(address: str) -> tuple[int, int]:
        with LoadClient(address, LoadOptions(path=PATH, request=b"", concurrency=4)) as client:
            return client.run(calls=50).calls, client.run(calls=70).calls

    async with serving(handler) as address:
        assert await asyncio.to_thread(run, address) == (50, 70)
    assert handler.calls == 120


async def test_aborted_calls_are_failures_by_their_status():
    calls = 0

    async def abort_half(_request: bytes, context: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls % 2:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "out to lunch")
        return b"answer"

    async with serving(abort_half) as address:
        result = await load(address, calls=400, answer_bytes=6)
    assert result.calls == 400
    assert dict(result.failures) == {"grpc-status 14: out to lunch": 200}
    assert len(result.latencies_s) == 200


async def test_a_method_that_is_not_served_fails_every_call():
    async with serving(Counting()) as address:
        result = await load(address, calls=20, path="/any.v1.Service/Other")
    assert result.failed == result.calls == 20
    assert next(iter(result.failures)).startswith("grpc-status 12:")


async def test_an_answer_of_another_length_is_a_failure():
    async with serving(Counting(b"short")) as address:
        result = await load(address, calls=10, answer_bytes=6)
    assert dict(result.failures) == {"an answer of 5 bytes, not 6": 10}


async def test_latency_is_at_least_the_handlers_delay():
    async with serving(Counting(delay_s=0.05)) as address:
        result = await load(address, calls=24)
    assert min(result.latencies_s) >= 0.05
    assert result.elapsed_s >= 3 * 0.05
    assert 0.05 <= result.quantile_s(0.5) <= result.quantile_s(0.99) == max(result.latencies_s)


async def test_answers_larger_than_any_first_window_arrive_whole():
    answer = bytes(1_000_000)
    async with serving(Counting(answer)) as address:
        result = await load(address, calls=40, answer_bytes=len(answer))
    assert (result.calls, result.failed) == (40, 0)


async def test_requests_that_fill_the_servers_window_wait_for_room():
    handler = Counting(delay_s=0.001)
    async with serving(handler) as address:
        result = await load(address, calls=60, request=bytes(16_000), connections=1)
    assert (result.calls, result.failed) == (60, 0)
    assert handler.requests == {bytes(16_000)}


async def test_silence_is_an_error_and_not_a_slow_result():
    async with serving(Counting(delay_s=60)) as address:
        began_at = time.monotonic()
        with pytest.raises(LoadError, match=r"silence for 0\.2 s with 8 calls in flight"):
            await load(address, calls=8, stall_s=0.2)
    assert time.monotonic() - began_at < 20


async def test_a_run_without_an_end_is_refused():
    async with serving(Counting()) as address:
        with pytest.raises(ValueError, match="seconds or calls"):
            await load(address)
