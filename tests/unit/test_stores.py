"""What a process keeps: loaded and opened when it is needed, and never in anybody's way."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock, FakeRng
from sqlalchemy import text
from support.durable import METHOD, PRINT, new_key, new_token
from support.redis import RedisServer, free_port

from gateway.config.state import StateOptions
from gateway.core.clock import SystemClock, system_rng
from gateway.core.events import Events
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.state.answers import Entry
from gateway.state.durable.url import parse_durable_url
from gateway.state.records import Record, Standing, StoreUnavailable
from gateway.state.redis_url import parse_redis_url
from gateway.stores import Stores

ROOT = Path(__file__).parents[2]
KEY = b"k" * 20
_LOADED = """
import asyncio, sys
from gateway.config.state import StateOptions
from gateway.core.clock import SystemClock, system_rng
from gateway.core.events import Events
from gateway.stores import Stores

async def main():
    answers, records = (word == "True" for word in sys.argv[1:])
    stores = Stores(StateOptions(), SystemClock(), system_rng(), Events(),
                    keeps_answers=answers, keeps_records=records)
    await stores.start()
    await stores.stop()
    print(*sys.modules)

asyncio.run(main())
"""


def made(
    clock: Any = None, *, answers: bool = False, records: bool = False, **options: Any
) -> Stores:
    return Stores(
        StateOptions(**options),
        clock or SystemClock(),
        FakeRng([0.5]) if clock else system_rng(),
        Events(),
        keeps_answers=answers,
        keeps_records=records,
    )


@asynccontextmanager
async def started(*arguments: Any, **options: Any) -> AsyncIterator[Stores]:
    stores = made(*arguments, **options)
    await stores.start()
    try:
        yield stores
    finally:
        await stores.stop()


async def claimed(stores: Stores, key: bytes) -> Record:
    return await stores.records.claim(
        key, new_token(), METHOD, PRINT, lease_s=10.0, retention_s=100.0
    )


def entry(answer: bytes, marks: tuple[str, ...]) -> Entry:
    return Entry(Landing(SUCCESS, answer), 0.0, 3600.0, marks=marks)


async def until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seawall.db"


@pytest.fixture
def durable(file: Path) -> Any:
    return parse_durable_url(f"sqlite:///{file}")


@pytest.fixture
def nobody() -> int:
    """Return a port where nobody listens."""
    return free_port()


@pytest.mark.parametrize(
    ("answers", "records", "loaded"),
    [
        (False, False, set()),
        (True, False, {"aiocache"}),
        (False, True, {"sqlalchemy", "alembic"}),
    ],
)
def test_what_nobody_asks_for_is_not_loaded(
    answers: bool, records: bool, loaded: set[str], tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _LOADED, str(answers), str(records)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"STATE_DIRECTORY": str(tmp_path)},
    ).stdout.split()
    assert {"aiocache", "sqlalchemy", "alembic"} & set(told) == loaded
    assert (tmp_path / "seawall.db").exists() is records


async def test_without_answers_to_keep_there_is_no_store_of_them() -> None:
    assert made().answers is None
    assert made(answers=True).answers is not None


# The durable store.


async def test_it_is_opened_at_the_start_where_the_configuration_speaks_of_it(
    file: Path, durable: Any
) -> None:
    async with started(records=True, durable=durable):
        assert file.exists()


async def test_else_it_is_opened_by_the_first_call_with_a_key(file: Path, durable: Any) -> None:
    async with started(durable=durable) as stores:
        assert not file.exists()
        assert (await claimed(stores, new_key())).standing is Standing.MINE
        assert file.exists()
    async with started(durable=durable):
        pass


async def test_what_is_never_used_is_never_made(file: Path, durable: Any) -> None:
    async with started(durable=durable):
        pass
    assert not file.exists()


async def test_first_calls_that_come_together_load_it_once(durable: Any) -> None:
    async with started(durable=durable) as stores:
        key = new_key()
        found = await asyncio.gather(*(claimed(stores, key) for _ in range(20)))
        standings = sorted(record.standing is Standing.MINE for record in found)
        assert standings == [False] * 19 + [True]


async def test_a_first_call_that_is_cancelled_leaves_it_to_the_others(durable: Any) -> None:
    async with started(durable=durable) as stores:
        leaving = asyncio.ensure_future(claimed(stores, new_key()))
        staying = asyncio.ensure_future(claimed(stores, new_key()))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).standing is Standing.MINE
        with pytest.raises(asyncio.CancelledError):
            await leaving


async def test_without_a_word_it_is_where_state_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    async with started(records=True):
        assert (tmp_path / "state" / "seawall.db").exists()


async def test_records_operations_and_tickets_are_in_one_database(file: Path, durable: Any) -> None:
    async with started(records=True, durable=durable) as stores:
        await claimed(stores, new_key())
        assert await stores.tickets.draw(KEY, 1, limit=1, lease_s=9) is not None
        assert await stores.operations.get("none", None) is None
        one = await stores.records.durable()
        count = text(
            "SELECT (SELECT count(*) FROM seawall_records), (SELECT count(*) FROM seawall_tickets)"
        )
        assert await one.read(lambda c: tuple(c.execute(count).one())) == (1, 1)


async def test_what_has_run_out_is_swept(durable: Any) -> None:
    clock = FakeClock()
    async with started(clock, records=True, durable=durable) as stores:
        await claimed(stores, new_key())
        assert await stores.tickets.draw(KEY, 1, limit=1, lease_s=9) is not None
        one = await stores.records.durable()
        count = text(
            "SELECT (SELECT count(*) FROM seawall_records) + (SELECT count(*) FROM seawall_tickets)"
        )

        async def is_empty() -> bool:
            clock.advance(61)
            return not await one.read(lambda c: c.execute(count).scalar_one())

        await until(is_empty)


# Stores that are away.


async def test_stores_that_are_away_stop_no_start(nobody: int) -> None:
    shared = parse_redis_url(f"redis://127.0.0.1:{nobody}")
    away = parse_durable_url(f"postgresql://joe@127.0.0.1:{nobody}/seawall")
    began = time.monotonic()
    async with started(answers=True, records=True, shared=shared, durable=away) as stores:
        assert time.monotonic() - began < 5
        assert stores.answers is not None
        assert await stores.answers.read(KEY, ()) == (None, ())
        await stores.answers.write(KEY, ("t",), entry(b"a", ("m",)))
        with pytest.raises(StoreUnavailable, match="it refuses connections"):
            await claimed(stores, new_key())
        with pytest.raises(StoreUnavailable):
            await stores.tickets.draw(KEY, 1, limit=1, lease_s=9)
        with pytest.raises(StoreUnavailable):
            await stores.operations.get("none", None)


async def test_a_durable_store_that_was_away_at_the_start_is_asked_when_it_is_there(
    tmp_path: Path,
) -> None:
    url = parse_durable_url(f"sqlite:///{tmp_path}/later/seawall.db")
    async with started(records=True, durable=url) as stores:
        with pytest.raises(StoreUnavailable):
            await claimed(stores, new_key())
        (tmp_path / "later").mkdir()
        assert (await claimed(stores, new_key())).standing is Standing.MINE


# Answers.


async def test_answers_in_memory_stay_under_their_bound() -> None:
    async with started(answers=True, cache_max_bytes=1 << 20) as stores:
        answers = stores.answers
        assert answers is not None
        marks = (await answers.read(KEY, ("t",))).marks
        for number in range(100):
            await answers.write(number.to_bytes(20, "big"), ("t",), entry(bytes(20_000), marks))
        kept = [
            number
            for number in range(100)
            if (await answers.read(number.to_bytes(20, "big"), ("t",))).entry is not None
        ]
        assert 40 <= len(kept) <= (1 << 20) / 20_700
        assert kept == list(range(kept[0], 100))


async def test_processes_with_one_redis_share_answers_and_others_do_not() -> None:
    with RedisServer() as server:
        shared = parse_redis_url(server.url)
        options = {"answers": True, "shared": shared, "cache_timeout_s": 5.0}
        async with started(**options) as one, started(**options) as two:
            assert one.answers is not None
            assert two.answers is not None
            marks = (await one.answers.read(KEY, ("t",))).marks
            await one.answers.write(KEY, ("t",), entry(b"a", marks))
            found = (await two.answers.read(KEY, ("t",))).entry
            assert found is not None
            assert found.landing.answer == b"a"
            async with started(answers=True) as alone:
                assert alone.answers is not None
                assert (await alone.answers.read(KEY, ("t",))).entry is None


# The end.


async def test_nothing_runs_on_once_it_is_stopped(durable: Any, nobody: int) -> None:
    before = asyncio.all_tasks()
    shared = parse_redis_url(f"redis://127.0.0.1:{nobody}")
    async with started(answers=True, records=True, shared=shared, durable=durable) as stores:
        await claimed(stores, new_key())
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
    with pytest.raises(StoreUnavailable, match="it is closed"):
        await claimed(stores, new_key())


async def test_what_was_never_started_may_be_stopped(file: Path, durable: Any) -> None:
    await made(answers=True, records=True, durable=durable).stop()
    assert not file.exists()


async def test_a_first_call_under_way_is_answered_before_the_end(durable: Any) -> None:
    stores = made(durable=durable)
    asking = asyncio.ensure_future(claimed(stores, new_key()))
    await asyncio.sleep(0)
    await stores.stop()
    await asyncio.wait((asking,))
    error = asking.exception()
    assert error is None or isinstance(error, StoreUnavailable)
    assert asyncio.all_tasks() == {asyncio.current_task()}
