import asyncio
from typing import Any

import pytest
from support.durable import (
    METHOD,
    OTHER_PRINT,
    PRINT,
    claim,
    count,
    new_key,
    new_token,
    pass_time,
    reclaim,
)

from gateway.state.durable.records import DurableRecords
from gateway.state.durable.store import Durable
from gateway.state.records import (
    AFTER_LEASE,
    LEASED,
    TRANSITIONS,
    Change,
    Record,
    Standing,
    State,
    sources,
)

LEASE_S, KEPT_S = 10.0, 100.0


async def claimed(records: DurableRecords, key: bytes) -> int:
    record = await claim(records, key)
    assert record.standing is Standing.MINE
    return record.token


async def standing(records: DurableRecords, key: bytes) -> Standing | None:
    record = await records.look(key)
    return None if record is None else record.standing


async def unknown(records: DurableRecords, key: bytes) -> int:
    token = await claimed(records, key)
    assert await records.give_up(key, token)
    return token


async def test_a_key_is_claimed_once(records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    again = await claim(records, key)
    assert again.standing is Standing.CLAIMED
    assert again.token == token
    assert 9 < again.left_s <= LEASE_S


async def test_a_claim_asked_for_twice_is_one(records: DurableRecords) -> None:
    key, token = new_key(), new_token()
    for _ in range(2):
        found = await records.claim(key, token, METHOD, PRINT, lease_s=9, retention_s=9)
        assert (found.standing, found.token) == (Standing.MINE, token)
    again = new_token()
    await records.give_up(key, token)
    assert [await records.reclaim(key, token, again, lease_s=9) for _ in range(2)] == [True] * 2


async def test_of_a_hundred_claims_at_once_one_wins(records: DurableRecords) -> None:
    key = new_key()
    found = await asyncio.gather(*(claim(records, key) for _ in range(100)))
    standings = [record.standing for record in found]
    assert standings.count(Standing.MINE) == 1
    assert standings.count(Standing.CLAIMED) == 99
    assert len({record.token for record in found}) == 1


async def test_an_answer_is_kept_and_found(records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    assert await records.complete(key, token, b"\x00answer")
    for record in (await claim(records, key), await records.look(key)):
        assert record is not None
        assert (record.standing, record.answer) == (Standing.DONE, b"\x00answer")
        assert 99 < record.left_s <= KEPT_S


async def test_what_was_forgotten_is_claimed_anew(records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    assert await records.forget(key, token)
    assert await records.look(key) is None
    assert await claimed(records, key) != token


async def test_nobody_sends_what_is_unknown(records: DurableRecords) -> None:
    key = new_key()
    token = await unknown(records, key)
    found = await claim(records, key)
    assert (found.standing, found.token) == (Standing.UNKNOWN, token)


async def test_a_lease_that_is_over_is_unknown(durable: Durable, records: DurableRecords) -> None:
    key = new_key()
    await claimed(records, key)
    await pass_time(durable, LEASE_S + 1)
    assert await standing(records, key) is Standing.UNKNOWN
    assert (await claim(records, key)).standing is Standing.UNKNOWN


async def test_a_beat_prolongs_a_lease(durable: Durable, records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    for _ in range(3):
        await pass_time(durable, LEASE_S * 2 / 3)
        assert await records.renew(key, token, lease_s=LEASE_S)
    assert await standing(records, key) is Standing.CLAIMED


async def test_a_late_beat_takes_a_claim_up_again(
    durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    await pass_time(durable, LEASE_S + 1)
    assert await records.renew(key, token, lease_s=LEASE_S)
    assert await standing(records, key) is Standing.CLAIMED


@pytest.mark.parametrize("lapsed", [True, False])
async def test_a_late_answer_is_kept(
    lapsed: bool, durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    if lapsed:
        await pass_time(durable, LEASE_S + 1)
    else:
        await records.give_up(key, token)
    assert await records.complete(key, token, b"late")
    assert await standing(records, key) is Standing.DONE


async def test_a_claim_that_lapsed_may_still_be_forgotten(
    durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    await pass_time(durable, LEASE_S + 1)
    assert await records.forget(key, token)
    assert await records.look(key) is None


@pytest.mark.parametrize("lapsed", [True, False])
async def test_what_is_unknown_is_reclaimed_once(
    lapsed: bool, durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    if lapsed:
        await pass_time(durable, LEASE_S + 1)
    else:
        await records.give_up(key, token)
    tokens = await asyncio.gather(*(reclaim(records, key, token) for _ in range(10)))
    won = [new for new in tokens if new is not None]
    assert len(won) == 1
    assert won[0] != token
    found = await claim(records, key)
    assert (found.standing, found.token) == (Standing.CLAIMED, won[0])


@pytest.mark.parametrize("state", ["claimed", "done", "absent"])
async def test_only_what_is_unknown_is_reclaimed(state: str, records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    if state == "done":
        await records.complete(key, token, b"")
    elif state == "absent":
        await records.forget(key, token)
    assert await reclaim(records, key, token) is None


async def test_a_reclaim_taken_back_leaves_it_unknown(records: DurableRecords) -> None:
    # The claim before may have acted: it never is as if nothing had been sent.
    key = new_key()
    token = await reclaim(records, key, await unknown(records, key))
    assert token is not None
    assert await records.forget(key, token)
    assert await standing(records, key) is Standing.UNKNOWN
    assert await records.forget(key, token)  # and so it does when it is said twice
    assert await standing(records, key) is Standing.UNKNOWN


@pytest.mark.parametrize("change", ["renew", "complete", "forget", "give_up", "reclaim"])
async def test_an_old_token_changes_nothing(change: str, records: DurableRecords) -> None:
    key = new_key()
    old = await unknown(records, key)
    new = await reclaim(records, key, old)
    before = await claim(records, key)
    told = {
        "renew": lambda: records.renew(key, old, lease_s=999),
        "complete": lambda: records.complete(key, old, b"old"),
        "forget": lambda: records.forget(key, old),
        "give_up": lambda: records.give_up(key, old),
        "reclaim": lambda: reclaim(records, key, old, lease_s=999),
    }
    assert not await told[change]()
    after = await claim(records, key)
    assert (after.standing, after.token) == (before.standing, new)
    assert after.left_s <= before.left_s


async def test_a_token_of_a_forgotten_record_is_no_token_of_the_next(
    records: DurableRecords,
) -> None:
    key = new_key()
    old = await claimed(records, key)
    await records.forget(key, old)
    await claimed(records, key)
    assert not await records.complete(key, old, b"old")
    assert await standing(records, key) is Standing.CLAIMED


async def test_an_answer_is_not_replaced(records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    assert await records.complete(key, token, b"first")
    assert await records.complete(key, token, b"second")  # it holds already
    assert not await records.forget(key, token + 1)
    assert not await records.give_up(key, token)
    assert not await records.renew(key, token, lease_s=LEASE_S)
    found = await records.look(key)
    assert found is not None
    assert found.answer == b"first"


@pytest.mark.parametrize("state", ["claimed", "done", "unknown"])
async def test_another_request_with_the_key_is_told_so(state: str, records: DurableRecords) -> None:
    key = new_key()
    token = await claimed(records, key)
    if state == "done":
        await records.complete(key, token, b"private")
    elif state == "unknown":
        await records.give_up(key, token)
    found = await claim(records, key, OTHER_PRINT)
    assert found == Record(Standing.OTHER_REQUEST)
    assert (await claim(records, key)).standing is not Standing.OTHER_REQUEST


@pytest.mark.parametrize("state", ["claimed", "done", "unknown"])
async def test_what_is_over_is_absent(
    state: str, durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    if state == "done":
        await records.complete(key, token, b"answer")
    elif state == "unknown":
        await records.give_up(key, token)
    await pass_time(durable, KEPT_S + 1)
    assert await records.look(key) is None
    assert await reclaim(records, key, token) is None
    assert not await records.resolve(key, b"")
    assert (await claim(records, key, OTHER_PRINT)).standing is Standing.MINE


async def test_a_call_that_outlives_its_retention_is_still_under_way(
    durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    for _ in range(12):
        await pass_time(durable, LEASE_S - 1)
        assert await records.renew(key, token, lease_s=LEASE_S)
    assert (await claim(records, key)).standing is Standing.CLAIMED
    assert await records.sweep() == 0


async def test_a_record_is_kept_as_long_as_its_lease(records: DurableRecords) -> None:
    key = new_key()
    await claim(records, key, lease_s=50.0, retention_s=1.0)
    found = await claim(records, key)
    assert found.standing is Standing.CLAIMED
    assert found.left_s > 49


async def test_a_reclaimed_record_is_kept_as_long_as_its_lease(
    durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await unknown(records, key)
    await pass_time(durable, KEPT_S - 1)
    new = await reclaim(records, key, token, lease_s=50.0)
    assert new is not None
    await records.complete(key, new, b"")
    found = await records.look(key)
    assert found is not None
    assert found.left_s > 49


async def test_a_sweep_deletes_what_is_over_in_batches(
    durable: Durable, records: DurableRecords
) -> None:
    keys = [new_key() for _ in range(7)]
    for number, key in enumerate(keys):
        token = await claimed(records, key)
        if number:
            await records.complete(key, token, b"answer")
    await pass_time(durable, KEPT_S + 1)
    young = new_key()
    await claimed(records, young)
    assert [await records.sweep(3) for _ in range(4)] == [3, 3, 1, 0]
    assert await count(durable) == 1
    assert await standing(records, young) is Standing.CLAIMED


async def test_sweeps_at_once_delete_each_record_once(
    durable: Durable, records: DurableRecords
) -> None:
    for _ in range(20):
        await claimed(records, new_key())
    await pass_time(durable, KEPT_S + 1)
    assert sum(await asyncio.gather(*(records.sweep(7) for _ in range(5)))) == 20
    assert await count(durable) == 0


async def test_operators_find_what_is_unknown_page_by_page(
    durable: Durable, records: DurableRecords
) -> None:
    lapsed = new_key()
    await claimed(records, lapsed)
    await pass_time(durable, LEASE_S + 1)
    given_up = []
    for _ in range(4):
        given_up.append(new_key())
        await unknown(records, given_up[-1])
    running, done = new_key(), new_key()
    await claimed(records, running)
    await records.complete(done, await claimed(records, done), b"")
    seen, after = [], ""
    for _ in range(3):
        page = await records.find(after=after, limit=2)
        seen += page.records
        after = page.after
    assert not after
    assert [record.key for record in seen] == [lapsed, *given_up]
    assert {(record.method, record.state, record.claims) for record in seen} == {
        (METHOD, State.UNKNOWN, 1)
    }
    assert 11 <= seen[0].began_s < 20
    assert 80 < seen[0].left_s <= 89
    everything = (await records.find(claimed=True)).records
    assert [(record.key, record.state) for record in everything[-1:]] == [(running, State.CLAIMED)]
    assert len(everything) == 6
    assert (await records.find(method="another/Method")).records == ()
    assert len((await records.find(method=METHOD)).records) == 5


@pytest.mark.parametrize("after", ["x", "1.0", "1.0:xy", ":", "nan:00"])
async def test_a_place_that_is_none_is_told(after: str, records: DurableRecords) -> None:
    with pytest.raises(ValueError, match="no page"):
        await records.find(after=after)


@pytest.mark.parametrize("lapsed", [True, False])
@pytest.mark.parametrize("answer", [b"as they found out", None])
async def test_an_operator_says_what_became_of_it(
    answer: bytes | None, lapsed: bool, durable: Durable, records: DurableRecords
) -> None:
    key = new_key()
    token = await claimed(records, key)
    if lapsed:
        await pass_time(durable, LEASE_S + 1)
    else:
        await records.give_up(key, token)
    assert await records.resolve(key, answer)
    assert not await records.complete(key, token, b"too late")
    found = await records.look(key)
    if answer is None:
        assert found is None
    else:
        assert found is not None
        assert (found.standing, found.answer) == (Standing.DONE, answer)
    assert not await records.resolve(key, b"once more")


@pytest.mark.parametrize("state", ["absent", "claimed", "done"])
async def test_only_what_is_unknown_is_resolved(state: str, records: DurableRecords) -> None:
    key = new_key()
    if state != "absent":
        token = await claimed(records, key)
        if state == "done":
            await records.complete(key, token, b"told")
    before = await records.look(key)
    assert not await records.resolve(key, None)
    assert not await records.resolve(key, b"other")
    after = await records.look(key)
    assert (before and before[:3]) == (after and after[:3])


async def test_nothing_readable_of_a_key_is_kept(durable: Durable, records: DurableRecords) -> None:
    key = new_key()
    await claimed(records, key)
    row: Any = await durable.read(
        lambda connection: connection.exec_driver_sql("SELECT * FROM seawall_records").one()
    )
    texts = {value for value in row if isinstance(value, str)}
    assert texts == {METHOD, "claimed"}


def test_every_change_of_what_is_leased_by_others_waits_for_the_lease() -> None:
    for state in LEASED:
        changes = {change for before, change in TRANSITIONS if before is state}
        assert changes == AFTER_LEASE | {
            Change.RENEW,
            Change.COMPLETE,
            Change.FORGET,
            Change.GIVE_UP,
        }


def test_an_answer_only_ever_expires() -> None:
    assert {change for before, change in TRANSITIONS if before is State.DONE} == {Change.EXPIRE}
    assert sources(Change.CLAIM) == {State.ABSENT}
