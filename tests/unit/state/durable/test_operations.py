"""Operations in the durable store, over SQLite and PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import text
from support.durable import new_key, new_token

from gateway.core.clock import SystemClock
from gateway.state.durable.operations import DurableOperations
from gateway.state.durable.store import Durable
from gateway.state.operations import (
    Acceptance,
    Accepted,
    Claimed,
    Deferral,
    OperationQuery,
    Renewal,
    State,
)

METHOD, OTHER = "shop.v1.Orders/Create", "shop.v1.Orders/Ship"
OWNER, STRANGER = b"o" * 32, b"s" * 32


@pytest.fixture
def store(durable: Durable) -> DurableOperations:
    return DurableOperations(durable, SystemClock())


def new(name: str = "one", **said: object) -> Accepted:
    return Accepted(
        **{
            "id": name,
            "method": METHOD,
            "owner": OWNER,
            "request": b"request",
            "metadata": b"",
            "header_key": "k",
            **said,
        }
    )


async def claim(
    store: DurableOperations, count: int = 10, methods: tuple[str, ...] = (METHOD,)
) -> list[Claimed]:
    return await store.claim(methods, [new_token() for _ in range(count)], lease_s=10)


async def pass_time(durable: Durable, seconds: float) -> None:
    columns = ("due_at", "accepted_at", "changed_at", "expires_at", "key_until")
    sets = ", ".join(f"{column} = {column} - :seconds" for column in columns)
    statement = text(f"UPDATE seawall_operations SET {sets}")
    await durable.write(lambda connection: connection.execute(statement, {"seconds": seconds}))


async def test_what_is_accepted_is_found_and_claimed_with_all_that_it_needs(
    store: DurableOperations,
) -> None:
    done, kept = await store.accept(new(metadata=b"[]", last_error=b"e"))
    assert done is Acceptance.NEW
    assert kept is not None
    assert (kept.id, kept.state, kept.attempts, kept.last_error) == (
        "one",
        State.WAITING,
        0,
        b"e",
    )
    assert await store.get("one", OWNER) == kept
    assert await store.get("one", None) == kept
    assert await store.get("one", STRANGER) is None
    assert await store.get("two", OWNER) is None
    (claimed,) = await claim(store)
    assert (claimed.request, claimed.metadata, claimed.header_key, claimed.owner) == (
        b"request",
        b"[]",
        "k",
        OWNER,
    )
    assert (claimed.kept.state, claimed.kept.attempts, claimed.died) == (State.RUNNING, 1, False)
    assert await claim(store) == []


async def test_a_key_stands_for_one_operation_as_long_as_it_is_held(
    store: DurableOperations, durable: Durable
) -> None:
    key = new_key()
    held = {"key": key, "fingerprint": b"f", "key_held_s": 60.0}
    await store.accept(new(**held))
    done, kept = await store.accept(new("two", **held))
    assert done is Acceptance.KNOWN
    assert kept is not None
    assert kept.id == "one"
    assert await store.accept(new("two", **{**held, "fingerprint": b"g"})) == (
        Acceptance.OTHER_REQUEST,
        None,
    )
    await pass_time(durable, 61)
    done, kept = await store.accept(new("two", **held))
    assert done is Acceptance.NEW
    assert kept is not None
    assert kept.id == "two"
    assert await store.get("one", OWNER) is not None


async def test_of_many_with_one_key_at_once_one_is_new(store: DurableOperations) -> None:
    key = new_key()
    found = await asyncio.gather(
        *(store.accept(new(f"n{n}", key=key, key_held_s=60.0)) for n in range(30))
    )
    assert [done for done, _ in found].count(Acceptance.NEW) == 1
    assert len({kept.id for _, kept in found if kept is not None}) == 1


async def test_accepted_twice_by_one_question_it_is_one(store: DurableOperations) -> None:
    first = await store.accept(new(key=new_key(), key_held_s=9.0))
    assert (await store.accept(new()))[0] is Acceptance.NEW
    assert first[1] is not None
    assert len(await store.find(OperationQuery(OWNER))) == 1


async def test_nobody_claims_what_another_has_until_its_lease_is_over(
    store: DurableOperations, durable: Durable
) -> None:
    for number in range(20):
        await store.accept(new(f"n{number}"))
    found = await asyncio.gather(*(claim(store, 5) for _ in range(8)))
    ids = [one.kept.id for some in found for one in some]
    assert len(ids) == len(set(ids)) == 20
    await pass_time(durable, 11)
    again = await claim(store, 30)
    assert len(again) == 20
    assert all(one.died and one.kept.attempts == 2 for one in again)


async def test_only_methods_that_can_be_made_are_claimed(store: DurableOperations) -> None:
    await store.accept(new())
    assert await claim(store, 5, (OTHER,)) == []
    assert await claim(store, 5, ()) == []
    assert len(await claim(store, 5, (OTHER, METHOD))) == 1


async def test_a_lease_is_renewed_by_its_token_alone(
    store: DurableOperations, durable: Durable
) -> None:
    await store.accept(new())
    (claimed,) = await claim(store)
    await pass_time(durable, 9)
    assert await store.renew("one", claimed.token, lease_s=10) is Renewal.MINE
    await pass_time(durable, 9)
    assert await claim(store) == []
    await pass_time(durable, 2)
    (other,) = await claim(store)
    assert await store.renew("one", claimed.token, lease_s=10) is Renewal.LOST
    assert not await store.note("one", claimed.token, b"late")
    assert not await store.defer("one", claimed.token, Deferral(0.0))
    assert not await store.end("one", claimed.token, State.SUCCEEDED, b"late", retention_s=9)
    assert await store.end("one", other.token, State.SUCCEEDED, b"a", retention_s=9)
    assert await store.end("one", other.token, State.SUCCEEDED, b"a", retention_s=9)
    kept = await store.get("one", OWNER)
    assert kept is not None
    assert (kept.state, kept.answer) == (State.SUCCEEDED, b"a")


async def test_deferred_it_is_due_later_with_what_was_kept(
    store: DurableOperations, durable: Durable
) -> None:
    await store.accept(new())
    (claimed,) = await claim(store)
    assert await store.note("one", claimed.token, b"half")
    deferral = Deferral(30.0, b"more", b"why", uncounted=True)
    assert await store.defer("one", claimed.token, deferral)
    assert await store.defer("one", claimed.token, deferral)
    kept = await store.get("one", OWNER)
    assert kept is not None
    assert (kept.state, kept.attempts, kept.progress, kept.last_error) == (
        State.WAITING,
        0,
        b"more",
        b"why",
    )
    assert await claim(store) == []
    await pass_time(durable, 31)
    (again,) = await claim(store)
    assert (again.kept.attempts, again.kept.progress, again.died) == (1, b"more", False)


async def test_of_one_order_the_oldest_without_an_end_is_claimed_alone(
    store: DurableOperations, durable: Durable
) -> None:
    order = new_key()
    for name in ("a", "b", "c"):
        await store.accept(new(name, order_key=order))
    await store.accept(new("free"))
    found = await claim(store)
    assert sorted(one.kept.id for one in found) == ["a", "free"]
    first = next(one for one in found if one.kept.id == "a")
    assert await store.waits(METHOD, order)
    await store.defer("a", first.token, Deferral(30.0))
    assert await claim(store) == []
    await pass_time(durable, 31)
    (first,) = [one for one in await claim(store) if one.kept.id == "a"]
    await store.end("a", first.token, State.FAILED, b"", retention_s=9)
    for name in ("b", "c"):
        (one,) = [one for one in await claim(store) if one.kept.id != "free"]
        assert one.kept.id == name
        await store.end(name, one.token, State.SUCCEEDED, b"", retention_s=9)
    assert not await store.waits(METHOD, order)


async def test_they_are_found_by_owner_method_and_state_newest_first(
    store: DurableOperations,
) -> None:
    for name, said in (
        ("a", {}),
        ("b", {"method": OTHER}),
        ("c", {"owner": STRANGER}),
        ("d", {}),
    ):
        await store.accept(new(name, **said))

    async def ids(query: OperationQuery) -> list[str]:
        return [kept.id for kept in await store.find(query)]

    assert await ids(OperationQuery(OWNER)) == ["d", "b", "a"]
    assert await ids(OperationQuery(None)) == ["d", "c", "b", "a"]
    assert await ids(OperationQuery(OWNER, METHOD)) == ["d", "a"]
    assert await ids(OperationQuery(OWNER, states=(State.RUNNING,))) == []
    page = await store.find(OperationQuery(OWNER, limit=2))
    assert await ids(OperationQuery(OWNER, after=page[-1].number)) == ["a"]


async def test_cancelled_what_waits_ends_and_what_runs_is_told(store: DurableOperations) -> None:
    await store.accept(new())
    assert await store.cancel("one", STRANGER, lambda _: b"c") is None
    done = await store.cancel("one", OWNER, lambda kept: kept.state.value.encode())
    assert done is not None
    assert done.ended
    assert (done.kept.state, done.kept.answer) == (State.CANCELLED, b"waiting")
    again = await store.cancel("one", OWNER, lambda _: b"c")
    assert again is not None
    assert not again.ended
    assert again.kept == done.kept
    assert await claim(store) == []
    await store.accept(new("two"))
    (claimed,) = await claim(store)
    done = await store.cancel("two", OWNER, lambda _: b"c")
    assert done is not None
    assert not done.ended
    assert (done.kept.state, done.kept.cancelling) == (State.RUNNING, True)
    assert await store.renew("two", claimed.token, lease_s=10) is Renewal.CANCEL


async def test_only_what_has_ended_is_deleted(store: DurableOperations) -> None:
    await store.accept(new())
    kept = await store.delete("one", OWNER)
    assert kept is not None
    assert await store.get("one", OWNER) is not None
    await store.cancel("one", OWNER, lambda _: b"")
    assert await store.delete("one", STRANGER) is None
    await store.delete("one", OWNER)
    assert await store.get("one", OWNER) is None


async def test_a_dead_letter_is_given_all_its_attempts_again(store: DurableOperations) -> None:
    await store.accept(new())
    (claimed,) = await claim(store)
    await store.end("one", claimed.token, State.DEAD, b"spent", retention_s=9)
    assert await store.retry("one")
    assert await store.retry("one")
    (again,) = await claim(store)
    assert again.kept.attempts == 1
    await store.end("one", again.token, State.SUCCEEDED, b"", retention_s=9)
    assert not await store.retry("one")


async def test_what_has_expired_is_swept_and_nothing_else(
    store: DurableOperations, durable: Durable
) -> None:
    for name in ("a", "b", "c"):
        await store.accept(new(name))
    first, second, _ = await claim(store)
    await store.end(first.kept.id, first.token, State.SUCCEEDED, b"", retention_s=5)
    await store.end(second.kept.id, second.token, State.SUCCEEDED, b"", retention_s=50)
    await pass_time(durable, 6)
    assert await store.sweep() == 1
    assert await store.sweep() == 0
    assert len(await store.find(OperationQuery(OWNER))) == 2


async def test_more_than_may_wait_are_full(store: DurableOperations) -> None:
    for name in ("a", "b"):
        assert (await store.accept(new(name, max_pending=2)))[0] is Acceptance.NEW
    assert (await store.accept(new("c", max_pending=2)))[0] is Acceptance.FULL
    assert (await store.accept(new("d", max_pending=2, method=OTHER)))[0] is Acceptance.NEW


async def test_what_is_claimed_again_by_its_token_has_a_new_lease_and_is_there_once(
    store: DurableOperations, durable: Durable
) -> None:
    await store.accept(new())
    tokens = [new_token() for _ in range(4)]
    (first,) = await store.claim((METHOD,), tokens, lease_s=10)  # its answer is lost
    await pass_time(durable, 11)
    (again,) = await store.claim((METHOD,), tokens, lease_s=10)
    assert (again.token, again.kept.attempts, again.died) == (first.token, 1, False)
    assert await claim(store) == []


async def test_who_works_on_it_does_not_claim_it_again(
    store: DurableOperations, durable: Durable
) -> None:
    await store.accept(new())
    (first,) = await claim(store)
    await pass_time(durable, 11)
    tokens = [new_token()]
    assert await store.claim((METHOD,), tokens, lease_s=10, running=["one"]) == []
    assert await store.renew("one", first.token, lease_s=10) is Renewal.MINE
