"""What a pool does for an endpoint that is watched: warm, retire, and the age of what waits."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from fakes.clock import FakeClock, FakeRng
from support.upstream import RawUpstream
from unit.downstream.sockets import OK, Reader, Writer, always, fetch, head, request

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import unsent
from gateway.downstream.errors import slow_to_connect
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
            await until(lambda: not pool.full)


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


async def test_a_closed_pool_is_not_warmed():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            await client.close()
            with pytest.raises(CallError) as raised:
                await pool.warm()
            assert raised.value.reason is Reason.DRAINING


async def test_a_request_that_is_sent_again_goes_before_those_that_wait_for_a_connection():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock(), max_connections=1) as (pool, _):
            held = await pool.wait()
            served = []

            async def one(name: str, *, fresh: bool) -> None:
                connection = await pool.wait(fresh=fresh)
                served.append((name, connection is held))
                connection.abort()

            waiting = asyncio.create_task(one("waiting", fresh=False))
            await asyncio.sleep(0)
            again = asyncio.create_task(one("again", fresh=True))
            await asyncio.sleep(0)
            pool.released(held)
            await asyncio.gather(waiting, again)
            assert served == [("again", False), ("waiting", False)]
            assert upstream.connections == 3


async def test_a_wait_for_a_place_is_told_as_the_gateways_own():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock(), max_connections=1) as (pool, client):
            held = await pool.wait()
            waiting = asyncio.create_task(fetch(client))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await waiting
            why = unsent(cancelled.value)
            assert why is not None
            assert (why.reason, why.origin) == (Reason.CONCURRENCY_LIMIT, Origin.GATEWAY)
            assert why.sent is Sent.NOT_SENT
            assert "all 1 connections" in why.message
            assert "pool.max_connections" in why.message
            held.abort()


async def test_a_request_that_was_written_is_not_said_to_be_unsent():
    async def silent(reader: Reader, _writer: Writer) -> None:
        await reader.read()
        await reader.read()

    async with RawUpstream(silent) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            task = asyncio.create_task(fetch(client))
            await until(lambda: pool._all and next(iter(pool._all)).busy)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
            assert unsent(cancelled.value) is None


async def test_a_connection_that_is_made_for_one_that_has_gone_is_the_next_calls():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            gone = asyncio.create_task(fetch(client))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait([gone])
            await until(lambda: pool._free)
            assert (await fetch(client)).status == 200
            assert upstream.connections == 1


async def test_what_is_in_the_making_ends_with_the_pool():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            begun = asyncio.create_task(fetch(client))
            await asyncio.sleep(0)
            await client.close()
            with pytest.raises(CallError) as raised:
                await begun
            assert raised.value.reason is Reason.DRAINING
            assert not pool._making


class Dialed:
    """A dialer that another one stands behind; `before` and `after` are what happens then."""

    def __init__(self, pool: Pool, *, before=None, after=None) -> None:
        self._inner, pool._dialer = pool._dialer, self
        self._before, self._after = before, after

    async def connect(self, factory):
        if self._before is not None:
            await self._before()
        connected = await self._inner.connect(factory)
        if self._after is not None:
            self._after()
        return connected

    def close(self) -> None:
        self._inner.close()


async def test_one_that_goes_as_its_connection_is_made_leaves_none_that_never_ends():
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            # In one turn with the end of the making, before the call's own task runs.
            Dialed(pool, after=lambda: begun.cancel())
            begun = asyncio.create_task(fetch(client))
            await asyncio.wait([begun])
            assert begun.cancelled()
            assert not pool._left
            assert (await fetch(client)).status == 200
            assert upstream.connections == 1


@pytest.mark.parametrize("heard", [False, True])
async def test_connecting_that_takes_too_long_is_told_unless_a_connection_works(heard):
    clock = FakeClock()
    told = []
    async with RawUpstream(always(OK)) as upstream:
        async with opened(upstream.url, clock, connect_timeout_s=2.0) as (pool, client):
            pool._told = lambda failure, began_at: told.append((failure, began_at))
            held = await pool.wait()
            assert told == [(None, 1000.0)]

            async def silence() -> None:
                clock.advance(2.0)
                if heard:
                    await held.begin(
                        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
                        expects_no_body=False,
                        max_body=99,
                        max_error=99,
                    )
                raise slow_to_connect("shop")

            Dialed(pool, before=silence)
            with pytest.raises(CallError):
                await fetch(client)
            assert [began_at for failure, began_at in told if failure] == ([] if heard else [1000])
            for connection in list(pool._all):
                connection.abort()


async def test_a_request_that_was_sent_before_is_not_said_to_be_unsent():
    async def once(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(OK)
        await head(reader)  # and closes without a byte

    async def hang() -> None:
        hung.set()
        await asyncio.get_running_loop().create_future()

    hung = asyncio.Event()
    async with RawUpstream(once) as upstream:
        async with opened(upstream.url, FakeClock()) as (pool, client):
            await fetch(client)
            Dialed(pool, before=hang)
            again = asyncio.create_task(fetch(client))
            await hung.wait()
            again.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await again
            assert unsent(cancelled.value) is None
