"""How long keys of operations stand, and what waits behind others of its order key."""

import asyncio
import random
import time

import pytest
from sqlalchemy import text
from support.durable import new_key, new_token, opened

from gateway.core.clock import SystemClock
from gateway.state.durable.operations import DurableOperations
from gateway.state.durable.store import Durable
from gateway.state.operations import (
    NEVER,
    Acceptance,
    Accepted,
    Claimed,
    Deferral,
    OperationQuery,
    State,
)

METHOD, OWNER = "shop.v1.Orders/Create", b"o" * 32
DAY_S = 86_400.0


@pytest.fixture
def store(durable: Durable) -> DurableOperations:
    return DurableOperations(durable, SystemClock())


def new(name: str, **said: object) -> Accepted:
    return Accepted(
        **{
            "id": name,
            "method": METHOD,
            "owner": OWNER,
            "request": b"",
            "metadata": b"",
            "header_key": "k",
            **said,
        }
    )


def keyed(name: str, key: bytes, **said: object) -> Accepted:
    return new(name, key=key, key_held_s=DAY_S, key_stays=True, **said)


async def claim(store: DurableOperations, count: int = 10) -> list[Claimed]:
    return await store.claim((METHOD,), [new_token() for _ in range(count)], lease_s=10)


async def made(store: DurableOperations, retention_s: float) -> None:
    for one in await claim(store):
        await store.end(one.kept.id, one.token, State.SUCCEEDED, b"answer", retention_s=retention_s)


async def pass_time(durable: Durable, seconds: float) -> None:
    columns = ("due_at", "accepted_at", "changed_at", "expires_at", "key_until")
    sets = ", ".join(f"{column} = {column} - :seconds" for column in columns)
    statement = text(f"UPDATE seawall_operations SET {sets}")
    await durable.write(lambda connection: connection.execute(statement, {"seconds": seconds}))


async def test_a_callers_key_stands_while_the_operation_is_open_and_as_long_again(
    store: DurableOperations, durable: Durable
) -> None:
    key = new_key()
    await store.accept(keyed("one", key))
    await pass_time(durable, 3 * DAY_S)
    assert (await store.accept(keyed("two", key)))[0] is Acceptance.KNOWN
    await made(store, 60)
    await pass_time(durable, DAY_S - 5)
    done, kept = await store.accept(keyed("two", key))
    assert done is Acceptance.KNOWN
    assert kept is not None
    assert (kept.id, kept.answer) == ("one", b"answer")
    await pass_time(durable, 10)
    assert (await store.accept(keyed("two", key)))[0] is Acceptance.NEW


async def test_a_window_is_over_when_it_is_though_the_operation_is_open(
    store: DurableOperations, durable: Durable
) -> None:
    key = new_key()
    await store.accept(new("one", key=key, key_held_s=60.0))
    await pass_time(durable, 61)
    assert (await store.accept(new("two", key=key, key_held_s=60.0)))[0] is Acceptance.NEW


async def test_what_expires_is_there_until_its_key_is_free(
    store: DurableOperations, durable: Durable
) -> None:
    await store.accept(keyed("keyed", new_key()))
    await store.accept(new("plain"))
    await made(store, 60)
    await pass_time(durable, 61)
    assert await store.sweep() == 1
    assert await store.get("plain", OWNER) is None
    assert await store.get("keyed", OWNER) is not None
    await pass_time(durable, DAY_S)
    assert await store.sweep() == 1


async def test_what_is_deleted_is_found_by_nobody_and_done_again_by_nobody(
    store: DurableOperations, durable: Durable
) -> None:
    key = new_key()
    await store.accept(keyed("one", key))
    await made(store, 60)
    assert await store.delete("one", OWNER) is not None
    assert await store.get("one", OWNER) is None
    assert await store.get("one", None) is None
    assert await store.find(OperationQuery(OWNER)) == []
    assert await store.find(OperationQuery(None)) == []
    assert await store.delete("one", OWNER) is None
    done, kept = await store.accept(keyed("two", key))
    assert done is Acceptance.KNOWN
    assert kept is not None
    assert kept.answer == b"answer"
    await pass_time(durable, DAY_S + 1)
    assert await store.sweep() == 1
    assert (await store.accept(keyed("two", key)))[0] is Acceptance.NEW


async def test_who_was_asked_to_cancel_does_not_wait_for_its_next_attempt(
    store: DurableOperations,
) -> None:
    await store.accept(new("one"))
    (claimed,) = await claim(store)
    await store.cancel("one", OWNER, lambda _: b"")
    await store.defer("one", claimed.token, Deferral(3600.0))
    (again,) = await claim(store)
    assert again.kept.cancelling


async def test_what_stands_behind_others_is_due_when_the_one_before_it_ends(
    store: DurableOperations, durable: Durable
) -> None:
    order = new_key()
    for name in ("a", "b", "c", "d"):
        await store.accept(new(name, order_key=order))
    kept = {one.id: one for one in await store.find(OperationQuery(OWNER))}
    assert [kept[name].due_at >= NEVER for name in "abcd"] == [False, True, True, True]
    (first,) = await claim(store)
    await store.cancel("b", OWNER, lambda _: b"")
    assert await claim(store) == []
    await store.end("a", first.token, State.DEAD, b"", retention_s=60)
    (third,) = await claim(store)
    assert third.kept.id == "c"
    assert await store.retry("a")
    assert await claim(store) == []  # c has been begun, and goes first to its end
    await pass_time(durable, 11)
    (third,) = await claim(store)  # whoever had it died
    assert (third.kept.id, third.died) == ("c", True)
    await store.defer("c", third.token, Deferral(0.0))
    (first,) = await claim(store)
    assert first.kept.id == "a"
    await store.end("a", first.token, State.SUCCEEDED, b"", retention_s=60)
    (third,) = await claim(store)
    await store.end("c", third.token, State.SUCCEEDED, b"", retention_s=60)
    (last,) = await claim(store)
    assert last.kept.id == "d"


@pytest.mark.parametrize("seed", range(4))
async def test_of_many_at_once_none_is_left_behind_and_no_two_of_one_order_run(
    store: DurableOperations, seed: int
) -> None:
    rng = random.Random(seed)
    orders = [new_key() for _ in range(3)]
    of, running, ended = {}, dict.fromkeys(orders, 0), []

    async def accept(number: int) -> None:
        await asyncio.sleep(rng.random() * 0.2)
        name = f"n{number}"
        of[name] = rng.choice(orders)
        await store.accept(new(name, order_key=of[name]))
        if rng.random() < 0.2:
            done = await store.cancel(name, OWNER, lambda _: b"")
            assert done is not None
            if done.ended:
                ended.append(name)

    async def work() -> None:
        while len(ended) < 60:
            for one in await claim(store, 2):
                order = of[one.kept.id]
                running[order] += 1
                assert running[order] == 1
                await asyncio.sleep(rng.random() * 0.01)
                running[order] -= 1
                if rng.random() < 0.2 and not one.kept.cancelling:
                    await store.defer(one.kept.id, one.token, Deferral(0.0))
                    continue
                state = rng.choice((State.SUCCEEDED, State.FAILED, State.DEAD))
                assert await store.end(one.kept.id, one.token, state, b"", retention_s=60)
                if state is State.DEAD and rng.random() < 0.5:
                    assert await store.retry(one.kept.id)
                else:
                    ended.append(one.kept.id)
            await asyncio.sleep(0.001)

    async with asyncio.timeout(50):
        await asyncio.gather(*(accept(n) for n in range(60)), *(work() for _ in range(4)))
    assert sorted(ended) == sorted(of)


async def test_many_that_wait_behind_one_cost_nothing_to_who_looks_for_what_is_due(
    store: DurableOperations, durable: Durable
) -> None:
    async def cost_s() -> float:
        best = float("inf")
        for _ in range(7):
            began = time.perf_counter()
            assert await claim(store) == []
            best = min(best, time.perf_counter() - began)
        return best

    order = new_key()
    await store.accept(new("head", order_key=order))
    await claim(store)
    await durable.write(lambda connection: connection.execute(text("SELECT 1")))
    alone_s = await cost_s()
    for first in range(0, 4000, 200):
        await asyncio.gather(
            *(store.accept(new(f"n{n}", order_key=order)) for n in range(first, first + 200))
        )
    assert await cost_s() < 10 * alone_s


async def dead(store: DurableOperations, name: str, *, answer: bytes = b"why") -> None:
    for one in await claim(store):
        if one.kept.id == name:
            await store.end(name, one.token, State.DEAD, answer, retention_s=7 * DAY_S)


async def test_a_deleted_dead_letter_is_tried_again_by_nobody(store: DurableOperations) -> None:
    await store.accept(keyed("one", new_key()))
    await dead(store, "one")
    await store.delete("one", OWNER)
    assert await store.get("one", None) is None
    assert not await store.retry("one")
    assert await claim(store) == []


async def test_what_is_tried_again_knows_how_it_ended_and_is_not_cancelled(
    store: DurableOperations,
) -> None:
    await store.accept(new("one"))
    (one,) = await claim(store)
    await store.cancel("one", OWNER, lambda _kept: b"")
    await store.end("one", one.token, State.DEAD, b"why", retention_s=DAY_S)
    assert await store.retry("one")
    kept = await store.get("one", OWNER)
    assert kept is not None
    assert (kept.state, kept.last_error, kept.cancelling) == (State.WAITING, b"why", False)


async def test_a_key_stands_as_long_after_a_retry_as_it_was_said(
    store: DurableOperations, durable: Durable
) -> None:
    key = new_key()
    await store.accept(keyed("one", key))
    for _ in range(3):
        await pass_time(durable, 5 * DAY_S)  # the answer is kept for 7 days, the key for one more
        await dead(store, "one")
        assert await store.retry("one")
    await dead(store, "one")
    await pass_time(durable, DAY_S + 10)
    assert (await store.accept(keyed("two", key)))[0] is Acceptance.NEW


async def test_what_has_expired_is_found_by_nobody_before_it_is_swept(
    store: DurableOperations, durable: Durable
) -> None:
    await store.accept(new("one"))
    await dead(store, "one")
    await pass_time(durable, 8 * DAY_S)
    assert await store.get("one", OWNER) is None
    assert await store.find(OperationQuery(OWNER)) == []
    assert not await store.retry("one")


async def test_a_key_that_comes_free_and_its_order_are_locked_in_one_order(
    url: str, durable: Durable
) -> None:
    store, clock = DurableOperations(durable, SystemClock()), SystemClock()
    async with opened(url, timeout_s=10.0) as another:
        other = DurableOperations(another, clock)
        for n in range(40):
            order, key = new_key(), new_key()
            said = {"order_key": order, "key": key, "key_held_s": 0.0, "key_stays": True}
            await store.accept(new(f"a{n}", **said))
            await dead(store, f"a{n}")
            await asyncio.gather(
                store.accept(new(f"b{n}", **said)),
                other.cancel(f"a{n}", None, lambda _kept: b""),
                other.retry(f"a{n}"),
            )
            await made(store, 60)
            await made(store, 60)
        assert durable.available
        assert another.available


async def test_a_key_with_many_callers_is_claimed(durable: Durable) -> None:
    store, order, ended = DurableOperations(durable, SystemClock()), new_key(), asyncio.Event()

    async def call(caller: int) -> None:
        for n in range(10_000):
            if ended.is_set():
                return
            await store.accept(new(f"{caller}.{n}", order_key=order))

    callers = [asyncio.create_task(call(caller)) for caller in range(8)]
    claimed = 0
    try:
        for _ in range(30):
            await asyncio.sleep(0.02)
            for one in await claim(store):
                claimed += 1
                await store.end(one.kept.id, one.token, State.SUCCEEDED, b"", retention_s=60)
    finally:
        ended.set()
        await asyncio.gather(*callers)
    assert claimed >= 10


async def test_a_list_has_a_size(store: DurableOperations) -> None:
    for name in ("one", "two", "three"):
        await store.accept(new(name))
        await dead(store, name, answer=b"a" * 1000)

    async def listed(max_bytes: int) -> list[str]:
        return [kept.id for kept in await store.find(OperationQuery(OWNER, max_bytes=max_bytes))]

    assert await listed(2500) == ["three", "two"]
    assert await listed(10) == ["three"]
    assert await listed(5000) == ["three", "two", "one"]
