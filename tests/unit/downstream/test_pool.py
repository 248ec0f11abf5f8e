"""What a pool does for an endpoint that is watched: warm, retire, and the age of what waits."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from fakes.clock import FakeClock, FakeRng
from support.upstream import RawUpstream
from unit.downstream.sockets import OK, Reader, Writer, always, fetch, head, request

from gateway.core.errors import CallError, Reason
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions
from gateway.downstream.pool import Pool


@asynccontextmanager
async def opened(url: str, clock: FakeClock, draws=(0.0,), **options):
    made = ClientOptions(name="shop", url=url, **options)
    pool = Pool(made, clock, FakeRng(draws))
    client = Http1Client(made, clock, FakeRng(draws), pool)
    try:
        yield pool, client
    finally:
        await client.close()
        assert not pool._all
        assert pool._open == 0


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def test_a_warm_connection_is_the_next_calls():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            await pool.warm()
            assert len(pool._free) == 1
            await fetch(client)
            assert upstream.connections == 1


async def test_a_warm_connection_that_was_closed_costs_a_safe_request_nothing():
    answers = []

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        answers.append(1)
        if len(answers) > 1:
            writer.write(OK)
            await writer.drain()

    async with RawUpstream(serve) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            await pool.warm()
            assert (await fetch(client)).status == 200
            assert upstream.connections == 2


async def test_warming_a_full_pool_takes_the_place_of_an_unused_connection():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock(), max_connections=1) as (pool, client):
            await fetch(client)
            assert not pool.full
            await pool.warm()
            assert upstream.connections == 2
            assert len(pool._all) == 1


async def test_a_cancelled_warming_gives_its_place_back():
    async def silent(reader: Reader, _writer: Writer) -> None:
        await reader.read()
        await reader.read()

    async with RawUpstream(silent) as upstream:
        url = upstream.url.replace("http:", "https:")
        async with opened(url, FakeClock(), max_connections=1) as (pool, _):
            task = asyncio.create_task(pool.warm())
            await until(lambda: upstream.connections == 1)
            assert pool.full
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not pool.full


async def test_a_retired_pool_closes_what_is_unused_and_keeps_nothing():
    release = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        while (await head(reader)).startswith(b"GET /hold"):
            await release.wait()
            writer.write(OK)

    async with RawUpstream(serve) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            busy = asyncio.create_task(fetch(client, request("GET", "/hold")))
            await until(lambda: pool._all)
            await pool.warm()
            await until(lambda: len(pool._all) == 2)
            pool.retire()
            await until(lambda: len(pool._all) == 1)
            release.set()
            assert (await busy).status == 200
            await until(lambda: not pool._all)
            assert (await fetch(client, request("GET", "/hold"))).status == 200
            await until(lambda: not pool._all)


async def test_a_connection_that_ages_sooner_than_the_others_is_closed_in_time():
    clock = FakeClock()
    async with RawUpstream(always(OK)) as upstream:
        # The first is given a hundred seconds, the second ninety.
        ages = {"max_age_s": 100.0, "idle_timeout_s": 500.0}
        async with opened(upstream.url, clock, [0.0, 1.0], **ages) as (pool, _client):
            await pool.warm()
            first = pool._free[0]
            one = pool.take(sure=False)
            await pool.warm()
            pool.released(one)
            second = next(connection for connection in pool._free if connection is not first)
            clock.advance(91)
            assert second.over
            assert not first.over
            clock.advance(10)
            assert first.over


async def test_it_knows_whether_there_was_a_connection_since():
    clock = FakeClock()
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, clock) as (pool, _):
            began_at = clock.now()
            assert not pool.connected_since(began_at)
            await pool.warm()
            clock.advance(1)
            assert pool.connected_since(clock.now())
            pool.retire()
            await until(lambda: not pool._all)
            assert pool.connected_since(began_at)
            clock.advance(1)
            assert not pool.connected_since(clock.now())


async def test_a_closed_pool_is_not_warmed():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            await client.close()
            with pytest.raises(CallError) as raised:
                await pool.warm()
            assert raised.value.reason is Reason.DRAINING
