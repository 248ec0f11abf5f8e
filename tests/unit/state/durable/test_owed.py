import asyncio

import pytest
from fakes.clock import FakeClock

from gateway.state.durable import owed
from gateway.state.durable.owed import AGAIN_S, GIVE_UP_S, Owed
from gateway.state.records import StoreUnavailable


class Store:
    """Forgets, once it is there; and remembers when it was asked."""

    def __init__(self, clock: FakeClock, down_s: float = 0.0) -> None:
        self.clock = clock
        self.back_at = clock.now() + down_s
        self.asked: list[tuple[bytes, int, float]] = []

    async def forget(self, key: bytes, token: int) -> bool:
        await asyncio.sleep(0)
        if self.clock.now() < self.back_at:
            raise StoreUnavailable("it is away", 1.0)
        self.asked.append((key, token, self.clock.now()))
        return True


async def _paid(debts: Owed) -> None:
    while debts._task is not None:
        await asyncio.wait((debts._task,))


@pytest.mark.parametrize(("lost", "times"), [(False, [0.0]), (True, [0.0, AGAIN_S])])
async def test_a_lost_answer_is_taken_back_twice(lost: bool, times: list[float]) -> None:
    clock = FakeClock(auto_jump=True)
    store = Store(clock)
    debts = Owed(store.forget, clock)
    debts.add(b"a", 1, lost=lost)
    await _paid(debts)
    assert [at - 1000.0 for _, _, at in store.asked] == pytest.approx(times, abs=0.3)
    assert len(debts) == 0


async def test_all_are_taken_back_when_the_store_is_back() -> None:
    clock = FakeClock(auto_jump=True)
    store = Store(clock, down_s=30.0)
    debts = Owed(store.forget, clock)
    for token in range(1, 6):
        debts.add(b"a", token, lost=False)
    await _paid(debts)
    assert [token for _, token, _ in store.asked] == [1, 2, 3, 4, 5]
    assert clock.now() <= 1031.1
    assert len(clock.slept) <= 31  # one asks for all


async def test_what_cannot_be_taken_back_is_left_to_its_lease() -> None:
    clock = FakeClock(auto_jump=True)
    store = Store(clock, down_s=9999.0)
    debts = Owed(store.forget, clock)
    debts.add(b"a", 1, lost=True)
    await _paid(debts)
    assert store.asked == []
    assert len(debts) == 0
    assert GIVE_UP_S <= clock.now() - 1000.0 <= GIVE_UP_S + 1.1


async def test_what_is_owed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "MAX_OWED", 3)
    clock = FakeClock()
    debts = Owed(Store(clock).forget, clock)
    for token in range(5):
        debts.add(b"a", token, lost=False)
    assert len(debts) == 3
    await debts.close()


async def test_closing_tries_once() -> None:
    clock = FakeClock()
    store = Store(clock)
    debts = Owed(store.forget, clock)
    debts.add(b"a", 1, lost=True)
    debts.add(b"b", 2, lost=True)
    await debts.close()
    assert {token for _, token, _ in store.asked} == {1, 2}
    assert len(debts) == 0
    assert clock.pending == 0
