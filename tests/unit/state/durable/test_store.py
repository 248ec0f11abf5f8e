"""What holds for every kind of database, and the breaker before it."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock
from sqlalchemy import Connection, text
from support.durable import claim, count, new_key, opened, recording

from gateway.core.clock import SystemClock
from gateway.core.events import Events, StoreChanged
from gateway.state.breaker import StoreBreakerOptions
from gateway.state.durable.records import DurableRecords
from gateway.state.durable.store import Durable, DurableOptions, NotAsked
from gateway.state.durable.url import parse_durable_url
from gateway.state.records import StoreUnavailable


def one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


def broken(connection: Connection) -> int:
    return int(connection.execute(text("SELECT it FROM nowhere")).scalar_one())


async def test_it_is_opened_by_the_first_question(durable: Durable) -> None:
    assert await durable.read(one) == 1
    assert await count(durable) == 0


async def test_many_first_questions_open_it_once(durable: Durable) -> None:
    assert await asyncio.gather(*(durable.read(one) for _ in range(20))) == [1] * 20
    await durable.open()
    assert durable.asking == 0


async def test_what_is_kept_is_there_when_it_is_opened_again(url: str) -> None:
    key = new_key()
    for wanted in ("mine", "claimed"):
        async with opened(url, timeout_s=10.0) as durable, recording(durable) as records:
            found = await claim(records, key, lease_s=99, retention_s=99)
            assert found.standing.value == wanted


async def test_a_question_that_fails_changes_nothing(
    durable: Durable, records: DurableRecords
) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("DELETE FROM seawall_records"))
        raise ZeroDivisionError

    key = new_key()
    await claim(records, key, lease_s=99, retention_s=99)
    with pytest.raises(ZeroDivisionError):  # a fault of who asks, told as it is
        await durable.write(half)
    assert await count(durable) == 1


async def test_one_that_fails_harms_none_that_is_asked_beside_it(durable: Durable) -> None:
    await durable.open()
    found: list[Any] = await asyncio.gather(
        *(durable.write(broken if n == 7 else one) for n in range(20)), return_exceptions=True
    )
    assert isinstance(found[7], StoreUnavailable)
    assert [answer for n, answer in enumerate(found) if n != 7] == [1] * 19


async def test_failures_open_the_breaker_and_an_answer_closes_it(url: str) -> None:
    clock = FakeClock()
    told: list[Any] = []
    options = DurableOptions(breaker=StoreBreakerOptions(failures=3, window_s=10.0))
    durable = Durable(parse_durable_url(url), clock, Events([told.append]), options)
    await durable.open()
    try:
        for _ in range(3):
            assert durable.available
            with pytest.raises(StoreUnavailable) as error:
                await durable.read(broken)
            assert not isinstance(error.value, NotAsked)
        assert not durable.available
        assert [(event.store, event.available) for event in told] == [("durable", False)]
        with pytest.raises(NotAsked) as refused:
            await durable.write(one)
        assert 0 < refused.value.retry_after_s <= 0.5
        clock.advance(0.5)
        assert await durable.read(one) == 1
        assert durable.available
        assert told[1:] == [StoreChanged("durable", True, "it answers")]
        assert clock.pending == 0
    finally:
        await durable.close()


async def test_a_fault_of_who_asks_opens_no_breaker(durable: Durable) -> None:
    def wrong(_connection: Connection) -> None:
        raise ZeroDivisionError

    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await durable.write(wrong)
    assert durable.available


async def test_too_many_questions_at_once_are_refused(url: str) -> None:
    async with opened(url, timeout_s=10.0, max_waiting=5) as durable:
        found = await asyncio.gather(*(durable.read(one) for _ in range(8)), return_exceptions=True)
        assert found[:5] == [1] * 5
        assert all(isinstance(error, NotAsked) for error in found[5:])
        assert await durable.read(one) == 1


async def test_a_caller_that_is_cancelled_leaves_nothing_behind(
    durable: Durable, records: DurableRecords
) -> None:
    await durable.open()
    for turns in range(12):
        key = new_key()
        task = asyncio.ensure_future(claim(records, key, lease_s=99, retention_s=99))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled():  # it was faster
            await records.forget(key, task.result().token)
    while durable.asking or records.owed or records._left:
        await asyncio.sleep(0.001)
    assert await count(durable) == 0
    assert await durable.write(one) == 1


async def test_one_that_is_closed_is_not_asked(url: str) -> None:
    async with opened(url) as durable:
        assert await durable.read(one) == 1
    with pytest.raises(NotAsked, match="it is closed"):
        await durable.read(one)
    with pytest.raises(StoreUnavailable, match="it is closed"):
        async with opened(url) as other:
            await other.close()
            await other.open()


async def test_closing_waits_for_what_is_asked(url: str) -> None:
    async with opened(url, timeout_s=10.0) as durable:
        await durable.open()
        asked = [asyncio.ensure_future(durable.write(one)) for _ in range(50)]
        await asyncio.sleep(0)
    assert [task.result() for task in asked] == [1] * 50


async def test_what_is_newer_is_refused(url: str) -> None:
    async with opened(url, timeout_s=10.0) as durable:
        await durable.write(
            lambda connection: connection.execute(
                text("UPDATE seawall_schema SET version_num = '9999'")
            )
        )
    async with opened(url, timeout_s=10.0) as durable:
        sentence = r"made by a newer version of Seawall \(tables 9999, this one knows 0005\)"
        with pytest.raises(StoreUnavailable, match=sentence):
            await durable.open()
        with pytest.raises(StoreUnavailable, match=sentence):
            await durable.read(one)


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("sqlite:///{folder}/none/a.db", "the folder of its file is not there"),
        ("sqlite:///tmp/a.db", "makes four slashes"),
        ("sqlite:///{folder}", "its file cannot be opened|its folder or file|the connection"),
        ("postgresql://127.0.0.1:1/a", "it refuses connections"),
        ("postgresql://nobody.invalid/a", "its name does not resolve"),
    ],
)
async def test_one_that_is_not_there_is_told_in_a_phrase(
    where: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(where.format(folder=tmp_path)) as durable:
        with pytest.raises(StoreUnavailable, match=why):
            await durable.open()
        with pytest.raises(StoreUnavailable, match=why):
            await durable.read(one)


async def test_one_that_could_not_be_opened_is_opened_later(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/later/a.db") as durable:
        with pytest.raises(StoreUnavailable):
            await durable.read(one)
        (tmp_path / "later").mkdir()
        assert await durable.read(one) == 1


async def test_a_claim_whose_answer_was_lost_is_taken_back(tmp_path: Path) -> None:
    clock = FakeClock()
    url = f"sqlite:///{tmp_path}/a.db"
    async with opened(url, clock) as durable, recording(durable, clock) as records:
        await durable.open()
        async with opened(url, SystemClock(), timeout_s=10.0) as other:
            asked, go_on = _held(other)
            await asked
            key = new_key()
            claiming = asyncio.ensure_future(claim(records, key, lease_s=99, retention_s=99))
            while not durable.asking:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            clock.advance(2.0)
            with pytest.raises(StoreUnavailable, match="it does not answer in time"):
                await claiming
            assert records.owed == 1
            go_on()
        while clock.pending < 1 or durable.asking:
            await asyncio.sleep(0.001)
        for _ in range(4):
            clock.advance(5.0)
            while durable.asking:
                await asyncio.sleep(0.001)
        while records.owed:
            clock.advance(1.0)
            await asyncio.sleep(0.001)
        assert await count(durable) == 0


def _held(durable: Durable) -> tuple[asyncio.Future[None], Any]:
    """Let another process hold the file; return when it does, and what ends that."""
    loop = asyncio.get_running_loop()
    held: asyncio.Future[None] = loop.create_future()
    over = threading.Event()

    def hold(connection: Connection) -> None:
        loop.call_soon_threadsafe(held.set_result, None)
        over.wait(10)

    holding = asyncio.ensure_future(durable.write(hold))

    def go_on() -> None:
        over.set()
        assert not holding.cancelled()

    return held, go_on
