import asyncio
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock
from sqlalchemy import Connection, text
from support.durable import claim, new_key, opened, recording

from gateway.core.clock import SystemClock
from gateway.core.events import Events
from gateway.state.durable.store import Durable
from gateway.state.durable.url import SqliteUrl
from gateway.state.records import StoreUnavailable


def one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seawall.db"


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 2000)],
)
@pytest.mark.parametrize("write", [True, False])
async def test_what_is_acknowledged_is_on_the_disk(
    write: bool, pragma: str, value: object, file: Path
) -> None:
    async with opened(f"sqlite:///{file}") as durable:
        ask = durable.write if write else durable.read
        assert value == await ask(
            lambda connection: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()
        )


async def test_only_its_user_may_read_it(file: Path) -> None:
    async with opened(f"sqlite:///{file}") as durable, recording(durable) as records:
        await claim(records, new_key(), lease_s=1, retention_s=1)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {f"seawall.db{end}": 0o600 for end in ("", "-wal", "-shm")}


async def test_the_folder_of_the_default_is_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "seawall" / "seawall.db"
    durable = Durable(SqliteUrl(path=path, makes_folder=True), SystemClock(), Events())
    await durable.open()
    await durable.close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_file_that_is_no_database_is_told(file: Path) -> None:
    file.write_bytes(b"something else, and much longer than a header" * 100)
    async with opened(f"sqlite:///{file}") as durable:
        with pytest.raises(StoreUnavailable, match="its file is no database"):
            await durable.open()


async def test_writers_of_other_processes_are_waited_for(file: Path) -> None:
    async with opened(f"sqlite:///{file}", timeout_s=10.0) as durable:
        await durable.open()
        with sqlite3.connect(file, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await durable.read(one) == 1  # readers wait for nobody
            asked = asyncio.ensure_future(durable.write(one))
            await asyncio.wait((asked,), timeout=0.05)
            assert not asked.done()
            other.execute("COMMIT")
            assert await asked == 1
        other.close()


async def test_a_file_that_others_hold_for_too_long_is_unavailable(file: Path) -> None:
    async with opened(f"sqlite:///{file}", timeout_s=0.2) as durable:
        await durable.open()
        with sqlite3.connect(file, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            found = await asyncio.gather(
                *(durable.write(one) for _ in range(5)), return_exceptions=True
            )
            assert all(isinstance(error, StoreUnavailable) for error in found)
            other.execute("COMMIT")
        other.close()


async def test_what_waits_meanwhile_is_one_transaction(file: Path) -> None:
    async with opened(f"sqlite:///{file}", timeout_s=10.0) as durable:
        await durable.open()
        over = threading.Event()
        first = asyncio.ensure_future(durable.write(lambda _: over.wait(10)))
        await asyncio.sleep(0.01)
        begun: list[int] = []

        def total(connection: Connection) -> int:
            raw: Any = connection.connection.driver_connection
            begun.append(id(connection.get_transaction()))
            return int(raw.in_transaction)

        rest = [asyncio.ensure_future(durable.write(total)) for _ in range(30)]
        await asyncio.sleep(0.01)
        over.set()
        await first
        assert await asyncio.gather(*rest) == [1] * 30
        assert len(set(begun)) == 1


async def test_what_was_given_up_before_its_turn_is_not_asked(file: Path) -> None:
    clock = FakeClock()
    async with opened(f"sqlite:///{file}", clock) as durable:
        await durable.open()
        over, asked = threading.Event(), []
        first = asyncio.ensure_future(durable.write(lambda _: over.wait(10)))
        await asyncio.sleep(0.01)
        late = asyncio.ensure_future(durable.write(lambda _: asked.append(1)))
        await asyncio.sleep(0.01)
        clock.advance(2.0)
        for task in (first, late):
            with pytest.raises(StoreUnavailable, match="it does not answer in time"):
                await task
        over.set()
        assert await durable.write(one) == 1
        assert asked == []


async def test_no_thread_is_left(file: Path) -> None:
    before = {thread.name for thread in threading.enumerate()}
    async with opened(f"sqlite:///{file}") as durable:
        await durable.read(one)
        assert "durable-write" in {thread.name for thread in threading.enumerate()}
    left = {thread.name for thread in threading.enumerate()} - before
    assert not {name for name in left if name.startswith("durable")}


async def test_a_connection_that_broke_is_made_anew(file: Path) -> None:
    def close(connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        raw.close()

    async with opened(f"sqlite:///{file}") as durable:
        with pytest.raises(StoreUnavailable):
            await durable.write(close)
        assert await durable.write(one) == 1
