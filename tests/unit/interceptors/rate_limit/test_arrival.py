"""Limits of addresses in front of auth: each rule of interceptors/rate_limit/arrival.py."""

import asyncio
from typing import Any

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, new_call

from gateway.core.call import Call, CallNext
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.events import CallRefused, Events
from gateway.core.identity import Identity
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.peer import PeerAddress
from gateway.core.status import Code
from gateway.interceptors.rate_limit import (
    ArrivalLimitInterceptor,
    LocalRateLimitInterceptor,
    Part,
    Source,
    arrival,
    key_of,
)
from gateway.state.limits import Decision, Hit, Limit
from gateway.state.memory_limits import MemoryLimits

BY_PEER = key_of([Part(Source.PEER)], PeerAddress())
BY_CALLER = key_of([Part(Source.CALLER)], PeerAddress())
ADDRESSES = Limit(name="m:addresses", requests=5, per_s=60)
CALLERS = Limit(name="m:callers", requests=100, per_s=60)
DENIED = CallError(
    Code.UNAUTHENTICATED, Reason.UNAUTHENTICATED, "no known key", origin=Origin.CALLER
)


class Counting(MemoryLimits):
    """Counts the questions that it is asked."""

    asked = 0

    async def take(self, hits: Any) -> Decision:
        self.asked += 1
        return await super().take(hits)


class World:
    """A guard, then auth, then the one decision on both limits."""

    def __init__(self, limit: Limit = ADDRESSES) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.store = Counting(self.clock)
        events = Events([self.events])
        self.guard = ArrivalLimitInterceptor([(limit, BY_PEER)], self.store, self.clock, events)
        self.decision = LocalRateLimitInterceptor(
            [(limit, BY_PEER), (CALLERS, BY_CALLER)], self.store, events
        )
        self.looked_at = 0
        self.gate: asyncio.Event | None = None

    async def _answer(self, _call: Call) -> Outcome:
        return SUCCESS

    async def _auth(self, call: Call, call_next: CallNext) -> Outcome:
        self.looked_at += 1
        if self.gate is not None:
            await self.gate.wait()
        if dict(call.metadata).get("x-api-key") != "good":
            return failed(DENIED)
        call.identity = Identity("ann", "keys")
        return await call_next(call)

    async def ask(self, key: str, peer: str = "ipv4:1.1.1.1:5") -> Outcome:
        call = new_call(self.clock, metadata=(("x-api-key", key),), peer=peer)

        async def decided(call: Call) -> Outcome:
            return await self.decision(call, self._answer)

        async def auth(call: Call) -> Outcome:
            return await self._auth(call, decided)

        return await self.guard(call, auth)

    async def reasons(self, key: str, count: int, **more: Any) -> list[str]:
        outcomes = [await self.ask(key, **more) for _ in range(count)]
        return ["" if o.error is None else o.error.reason.name for o in outcomes]


async def test_wrong_keys_are_counted_by_address_and_refused_unseen_when_there_is_no_room() -> None:
    world = World()
    reasons = await world.reasons("wrong", 20)
    assert reasons[:5] == ["UNAUTHENTICATED"] * 5
    assert set(reasons[6:]) == {"RATE_LIMITED"}
    assert world.looked_at == 6
    assert await world.reasons("wrong", 1, peer="ipv4:2.2.2.2:5") == ["UNAUTHENTICATED"]


async def test_they_take_the_places_of_good_ones_of_their_address() -> None:
    world = World()
    await world.reasons("wrong", 3)
    assert await world.reasons("good", 3) == ["", "", "RATE_LIMITED"]


async def test_a_call_that_reaches_the_decision_is_counted_there_only() -> None:
    world = World()
    assert await world.reasons("good", 6) == [""] * 5 + ["RATE_LIMITED"]
    assert world.store.asked == 0, "no question more than without"


async def test_a_refusal_says_which_limit_and_when_to_come_back() -> None:
    world = World()
    await world.reasons("wrong", 6)
    outcome = await world.ask("good")
    error = outcome.error
    assert error is not None
    assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, Reason.RATE_LIMITED)
    assert error.retry_after_s == 60
    assert any(isinstance(e, CallRefused) and e.error is error for e in world.events)
    world.clock.advance(60)
    assert await world.reasons("good", 1) == [""]


async def test_a_shadow_limit_counts_and_blocks_nobody() -> None:
    world = World(Limit(name="m:addresses", requests=1, per_s=60, shadow=True))
    assert set(await world.reasons("wrong", 10)) == {"UNAUTHENTICATED"}
    assert world.guard.blocked == 0


async def test_a_call_that_is_cancelled_before_the_decision_is_counted_beside_its_end() -> None:
    world = World()
    world.gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    for _ in range(5):
        task = loop.create_task(world.ask("wrong"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
    for _ in range(3):
        await asyncio.sleep(0)
    world.gate = None
    assert await world.reasons("good", 1) == ["RATE_LIMITED"]


async def test_what_is_blocked_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "MAX_BLOCKED", 3)
    world = World(Limit(name="m:addresses", requests=1, per_s=60))
    for number in range(10):
        await world.reasons("wrong", 2, peer=f"ipv4:1.1.1.{number}:5")
    assert world.guard.blocked == 3
    assert (await world.store.take([Hit(CALLERS, "x")])).allowed
