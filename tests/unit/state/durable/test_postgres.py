"""What a server does to those who ask it: it refuses, restarts, dies and freezes."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from support.durable import claim, new_key, opened, recording
from support.postgres import PostgresServer

from gateway.state.breaker import StoreBreakerOptions
from gateway.state.durable.store import Durable
from gateway.state.records import Standing, StoreUnavailable


def one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


def sleep(connection: Connection) -> None:
    connection.execute(text("SELECT pg_sleep(10)"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """One that tests may harm; they leave it in order."""
    with PostgresServer(max_connections="40") as server:
        yield server


@pytest.fixture
async def durable(server: PostgresServer) -> AsyncIterator[Durable]:
    breaker = StoreBreakerOptions(failures=1000)
    async with opened(server.database(), timeout_s=1.0, breaker=breaker) as durable:
        await durable.open()
        yield durable


def backends(server: PostgresServer) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'seawall'"
    return int(server.sql(sql))


async def until_backends(server: PostgresServer, wanted: int) -> None:
    end = time.monotonic() + 10
    while backends(server) != wanted:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_connections_are_bounded_and_kept(server: PostgresServer) -> None:
    async with opened(server.database(), connections=3, timeout_s=10.0) as durable:
        assert await asyncio.gather(*(durable.read(one) for _ in range(50))) == [1] * 50
        assert 0 < backends(server) <= 3
    await until_backends(server, 0)


async def test_a_server_that_was_restarted_is_asked_at_once(
    server: PostgresServer, durable: Durable
) -> None:
    await asyncio.gather(*(durable.read(one) for _ in range(30)))
    server.restart()
    assert await asyncio.gather(*(durable.write(one) for _ in range(30))) == [1] * 30
    assert durable.available


async def test_a_server_that_was_killed_is_asked_when_it_is_back(
    server: PostgresServer, durable: Durable
) -> None:
    async with recording(durable) as records:
        key = new_key()
        await claim(records, key, lease_s=99, retention_s=99)
        server.kill()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await durable.write(one)
        assert time.monotonic() - began < 1.5
        server.start()
        found = await claim(records, key, lease_s=99, retention_s=99)
        assert found.standing is Standing.CLAIMED


async def test_a_server_that_dies_under_a_question_is_unavailable(
    server: PostgresServer, durable: Durable
) -> None:
    asked = [asyncio.ensure_future(durable.write(sleep)) for _ in range(12)]
    await until_backends(server, 8)
    await asyncio.sleep(0.05)
    server.kill()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, StoreUnavailable) for error in found)
    server.start()
    assert await durable.write(one) == 1


async def test_one_killed_connection_is_not_noticed(
    server: PostgresServer, durable: Durable
) -> None:
    await asyncio.gather(*(durable.read(one) for _ in range(30)))
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'seawall'"
    )
    assert await asyncio.gather(*(durable.write(one) for _ in range(30))) == [1] * 30


async def test_a_frozen_server_costs_no_more_than_the_timeout(
    server: PostgresServer, durable: Durable
) -> None:
    await asyncio.gather(*(durable.read(one) for _ in range(30)))
    server.freeze()
    try:
        began = time.monotonic()
        found = await asyncio.gather(
            *(durable.write(one) for _ in range(40)), return_exceptions=True
        )
        assert time.monotonic() - began < 1.8
        assert {str(error) for error in found} == {"it does not answer in time"}
    finally:
        server.thaw()
    assert await durable.write(one) == 1


async def test_a_frozen_server_holds_up_neither_opening_nor_closing(
    server: PostgresServer,
) -> None:
    url = server.database()
    async with opened(url, timeout_s=0.5) as known:
        assert await asyncio.gather(*(known.read(one) for _ in range(8))) == [1] * 8
        server.freeze()
        try:
            began = time.monotonic()
            async with opened(url, timeout_s=0.5) as fresh:
                for durable in (fresh, known, known):  # the last one has to connect
                    with pytest.raises(StoreUnavailable):
                        await durable.read(one)
                await known.close()
            assert time.monotonic() - began < 3
        finally:
            server.thaw()
    await until_backends(server, 0)


async def test_what_was_given_up_holds_no_lock(server: PostgresServer, durable: Durable) -> None:
    def hold(connection: Connection) -> None:
        connection.execute(text("LOCK TABLE seawall_records"))
        connection.execute(text("SELECT pg_sleep(0.4)"))
        connection.execute(text("SELECT pg_sleep(0.7)"))

    with pytest.raises(StoreUnavailable, match="it does not answer in time"):
        await durable.write(hold)
    async with recording(durable) as records:
        key = new_key()
        found = await claim(records, key, lease_s=9, retention_s=9)
        assert found.standing is Standing.MINE
    assert (
        server.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(0.7)%'"
            " AND state = 'active' AND pid <> pg_backend_pid()"
        )
        == "0"
    )


async def test_the_servers_own_end_of_a_statement_costs_no_connection(
    server: PostgresServer, durable: Durable
) -> None:
    def too_long(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(9)"))

    await durable.read(one)
    pid = server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'seawall'")
    with pytest.raises(StoreUnavailable, match="it does not answer in time"):
        await durable.write(too_long)
    assert pid == server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'seawall'")


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 8, 13, 21])
async def test_a_question_ended_anywhere_leaves_no_connection(
    turns: int, server: PostgresServer
) -> None:
    async with opened(server.database(), connections=2) as durable:
        await durable.open()
        link = durable._link
        for _ in range(5):
            task = asyncio.ensure_future(link.run(one, write=True))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
        assert await asyncio.gather(*(durable.read(one) for _ in range(5))) == [1] * 5
        assert backends(server) <= 4
    await until_backends(server, 0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("s3cr3t%2Fword", "wr0ng"), "it refuses the credentials"),
        (("/test", "/nothing"), "there is no such database"),
    ],
)
async def test_a_refusal_is_told_without_secrets(
    change: tuple[str, str], why: str, server: PostgresServer
) -> None:
    async with opened(server.database().replace(*change)) as durable:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=why) as error:
                await durable.open()
            assert "wr0ng" not in str(error.value)


async def test_a_server_that_may_only_be_read_is_told(
    server: PostgresServer, durable: Durable
) -> None:
    def write(connection: Connection) -> None:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("DELETE FROM seawall_records"))

    with pytest.raises(StoreUnavailable, match="it may only be read"):
        await durable.write(write)


async def test_of_several_hosts_the_one_that_is_up_is_asked(server: PostgresServer) -> None:
    url = server.database().replace("@127", "@127.0.0.1:1,127")
    async with opened(url) as durable:
        assert await durable.read(one) == 1


def test_a_log_is_there_for_failures(server: PostgresServer) -> None:
    assert Path(server.log).stat().st_size > 0


async def test_what_a_database_cannot_take_takes_it_from_nobody(server: PostgresServer) -> None:
    async with opened(server.database()) as durable:
        for _ in range(10):
            with pytest.raises(StoreUnavailable, match="does not take what it was asked"):
                await durable.read(
                    lambda c: c.execute(text("SELECT CAST(:said AS text)"), {"said": "a\0b"}).all()
                )
        assert durable.available
        assert await durable.read(lambda c: c.execute(text("SELECT 1")).scalar_one()) == 1


async def test_transactions_see_what_was_done_before_a_lock_whatever_is_usual_there(
    server: PostgresServer,
) -> None:
    url = server.database()
    name = url.rpartition("/")[2]
    server.sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    async with opened(url) as durable:
        level = await durable.read(
            lambda c: c.execute(text("SHOW transaction_isolation")).scalar_one()
        )
    assert level == "read committed"
