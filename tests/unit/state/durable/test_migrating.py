import asyncio
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from support.durable import count, opened

from gateway.state.durable import migrating
from gateway.state.durable.schema import metadata
from gateway.state.durable.schema import operations as _operations
from gateway.state.durable.schema import records as _records
from gateway.state.durable.schema import tickets as _tickets
from gateway.state.durable.store import Durable

assert _operations
assert _tickets
assert _records  # its table is in the metadata


async def test_the_steps_make_what_the_code_reads(durable: Durable) -> None:
    def difference(connection: Connection) -> list[Any]:
        options = {"version_table": migrating.VERSION_TABLE, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await durable.write(difference) == []


async def test_stores_opened_at_once_make_the_tables_once(url: str) -> None:
    async def start() -> int:
        async with opened(url, timeout_s=30.0) as durable:
            await durable.open()
            return await count(durable)

    assert await asyncio.gather(*(start() for _ in range(8))) == [0] * 8


async def test_one_that_is_up_to_date_is_locked_by_nobody(durable: Durable, url: str) -> None:
    await durable.open()

    def opened_within(connection: Connection) -> None:
        migrating.migrate(connection)  # holds the lock, or the file
        loop.call_soon_threadsafe(holds.set)
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result(20)

    if url.startswith("postgresql"):

        def within(connection: Connection) -> None:
            migrating.migrate(connection)
            connection.exec_driver_sql("SELECT pg_sleep(0.3)")
            holds.set()

        opened_within = within
    loop = asyncio.get_running_loop()
    holds, done = asyncio.Event(), asyncio.Event()
    holding = asyncio.ensure_future(durable.write(opened_within))
    if url.startswith("sqlite"):
        await holds.wait()
    async with opened(url, timeout_s=10.0) as other:
        assert await count(other) == 0
        assert not holding.done()
    done.set()
    await holding


def test_every_step_has_the_number_of_its_file() -> None:
    folder = Path(migrating.__file__).parent / "migrations" / "versions"
    for file in folder.glob("v*.py"):
        number = file.name[1:].partition("_")[0]
        assert f'revision = "{number}"' in file.read_text()
    assert migrating.latest() == max(migrating.known())
