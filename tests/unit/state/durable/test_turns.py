"""Turns that processes share, over SQLite and PostgreSQL: each `StoredTurns` is a process here."""

import asyncio
import random
from pathlib import Path

import pytest
from fakes.clock import FakeClock, FakeRng
from sqlalchemy import text
from support.durable import new_key, new_token, opened

from gateway.core.clock import SystemClock, system_rng
from gateway.state.durable.store import Durable
from gateway.state.durable.tickets import DurableTickets
from gateway.state.records import StoreUnavailable
from gateway.state.turns import StoredTurns


def process(durable: Durable, **options: int) -> StoredTurns:
    given = {"max_queued": 100, "max_keys": 100, **options}
    return StoredTurns("keys", DurableTickets(durable), SystemClock(), system_rng(), **given)


async def out(durable: Durable) -> int:
    """Return how many tickets are out."""
    statement = text("SELECT count(*) FROM seawall_tickets")
    return int(await durable.read(lambda connection: connection.execute(statement).scalar_one()))


async def age(durable: Durable, seconds: float) -> None:
    """Let every lease be so much nearer to its end."""
    statement = text("UPDATE seawall_tickets SET lease_until = lease_until - :seconds")
    await durable.write(lambda connection: connection.execute(statement, {"seconds": seconds}))


async def test_one_at_a_time_in_the_order_of_arrival(durable: Durable) -> None:
    await durable.open()
    processes = [process(durable) for _ in range(3)]
    order: list[int] = []
    inside = 0

    async def call(number: int) -> None:
        nonlocal inside
        turns = processes[number % 3]
        assert await turns.take("k") is None
        inside += 1
        assert inside == 1
        order.append(number)
        await asyncio.sleep(random.uniform(0, 0.01))
        inside -= 1
        turns.give_back("k")

    calls = []
    for number in range(15):
        calls.append(asyncio.ensure_future(call(number)))
        await asyncio.sleep(0.03)
    await asyncio.gather(*calls)
    assert order == list(range(15))
    for turns in processes:
        await turns.settled()
        assert turns.keys == 0
    assert await out(durable) == 0


async def test_never_two_at_once_however_many_come_together(durable: Durable) -> None:
    processes = [process(durable) for _ in range(4)]
    inside: dict[str, int] = {"a": 0, "b": 0}
    made = 0

    async def call(turns: StoredTurns, key: str) -> None:
        nonlocal made
        assert await turns.take(key) is None
        inside[key] += 1
        assert inside[key] == 1
        await asyncio.sleep(0)
        inside[key] -= 1
        made += 1
        turns.give_back(key)

    await asyncio.gather(*(call(one, key) for one in processes for key in "ab" for _ in range(10)))
    assert made == 80
    for turns in processes:
        await turns.settled()
    assert await out(durable) == 0


async def test_keys_do_not_wait_for_each_other(durable: Durable) -> None:
    turns = process(durable)
    assert await turns.take("a") is None
    assert await turns.take("b") is None
    turns.give_back("a")
    turns.give_back("b")
    await turns.settled()


async def test_a_waiter_that_is_cancelled_leaves_the_line(durable: Durable) -> None:
    one, two = process(durable), process(durable)
    assert await one.take("k") is None
    leaving = asyncio.ensure_future(two.take("k"))
    await asyncio.sleep(0.1)
    last = asyncio.ensure_future(one.take("k"))
    await asyncio.sleep(0.05)
    leaving.cancel()
    one.give_back("k")
    assert await asyncio.wait_for(last, 5) is None
    one.give_back("k")
    await one.settled()
    await two.settled()
    assert await out(durable) == 0


async def test_one_that_is_cancelled_while_it_draws_leaves_no_ticket(durable: Durable) -> None:
    turns = process(durable)
    for _ in range(20):
        drawing = asyncio.ensure_future(turns.take("k"))
        await asyncio.sleep(random.uniform(0, 0.003))
        if drawing.done():
            turns.give_back("k")
        drawing.cancel()
        await asyncio.wait((drawing,))
    await turns.settled()
    await asyncio.sleep(0.1)
    assert await out(durable) == 0


async def test_the_turn_of_a_dead_process_runs_out(durable: Durable) -> None:
    tickets, key = DurableTickets(durable), new_key()
    dead = await tickets.draw(key, new_token(), limit=10, lease_s=10)
    alive = await tickets.draw(key, new_token(), limit=10, lease_s=100)
    assert await tickets.first(key) == dead
    await age(durable, 11)
    assert await tickets.first(key) == alive
    await age(durable, 61)
    assert await tickets.sweep() == 1
    assert await tickets.first(key) == alive


async def test_a_lease_that_is_renewed_does_not_run_out(durable: Durable) -> None:
    tickets, key, token = DurableTickets(durable), new_key(), new_token()
    number = await tickets.draw(key, token, limit=10, lease_s=10)
    await age(durable, 9)
    await tickets.renew([token], lease_s=10)
    await age(durable, 9)
    assert await tickets.first(key) == number


async def test_a_ticket_that_is_drawn_again_is_the_same(durable: Durable) -> None:
    tickets, key, token = DurableTickets(durable), new_key(), new_token()
    number = await tickets.draw(key, token, limit=1, lease_s=10)
    assert await tickets.draw(key, token, limit=1, lease_s=10) == number
    assert await tickets.draw(key, new_token(), limit=1, lease_s=10) is None
    await tickets.leave(token)
    assert await tickets.draw(key, new_token(), limit=1, lease_s=10) is not None


async def test_lines_and_keys_are_bounded(durable: Durable) -> None:
    turns = process(durable, max_queued=1, max_keys=1)
    assert await turns.take("k") is None
    waiting = asyncio.ensure_future(turns.take("k"))
    await asyncio.sleep(0.1)
    assert "wait already" in str(await turns.take("k"))
    assert "other keys" in str(await turns.take("other"))
    turns.give_back("k")
    assert await waiting is None
    turns.give_back("k")
    await turns.settled()


async def test_without_the_store_nobody_has_a_turn(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    async with opened(f"sqlite:///{tmp_path}/folder/seawall.db", timeout_s=1.0) as durable:
        clock = FakeClock()
        turns = StoredTurns(
            "keys", DurableTickets(durable), clock, FakeRng([0.5]), max_queued=1, max_keys=1
        )
        with pytest.raises(StoreUnavailable):
            await turns.take("k")
        assert turns.keys == 0
        settled = asyncio.ensure_future(turns.settled())
        while not settled.done():
            clock.advance(1)
            await asyncio.sleep(0)
