"""What makes kept answers old: each rule of interceptors/cache/invalidate.py."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from fakes.clock import FakeClock
from support.calls import answered, new_call, refused

from gateway.core.call import Call
from gateway.core.errors import CallError, Sent
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.interceptors.cache import InvalidateInterceptor
from gateway.state.cache.answers import CachedAnswers
from gateway.state.cache.memory import BoundedMemoryCache


class Store(CachedAnswers):
    """A store that tells what was made old, and waits to be let go on."""

    def __init__(self) -> None:
        super().__init__(BoundedMemoryCache(FakeClock(), 1000, lambda _key, _value: 1))
        self.old: list[Sequence[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def invalidate(self, tags: Sequence[str]) -> None:
        await self.gate.wait()
        await super().invalidate(tags)
        self.old.append(tags)


@pytest.mark.parametrize(
    ("error", "old"),
    [
        (None, True),
        (answered(409), True),
        (answered(503), True),
        (replace(answered(503), sent=Sent.UNKNOWN), True),
        (answered(429), False),
        (refused(), False),
    ],
)
async def test_what_may_have_had_an_effect_makes_old(error: CallError | None, old: bool) -> None:
    store = Store()

    async def call_next(call: Call) -> Outcome:
        call.attempts += 1
        return SUCCESS if error is None else failed(error)

    call = new_call(FakeClock())
    await InvalidateInterceptor(store, lambda _call: ("a", "b"))(call, call_next)
    assert store.old == ([("a", "b")] if old else [])


async def test_what_was_refused_before_an_attempt_makes_nothing_old() -> None:
    store = Store()

    async def call_next(_call: Call) -> Outcome:
        return failed(answered(503))

    await InvalidateInterceptor(store, lambda _call: ("a",))(new_call(FakeClock()), call_next)
    assert store.old == []


async def test_the_caller_is_answered_when_it_is_done() -> None:
    store = Store()
    store.gate.clear()

    async def call_next(call: Call) -> Outcome:
        call.attempts += 1
        return SUCCESS

    invalidate = InvalidateInterceptor(store, lambda _call: ("a",))
    task = asyncio.get_running_loop().create_task(invalidate(new_call(FakeClock()), call_next))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    store.gate.set()
    assert await task is SUCCESS


@pytest.mark.parametrize("sent", [True, False])
async def test_a_cancelled_call_that_was_sent_makes_old_beside_its_end(sent: bool) -> None:
    store = Store()
    begun = asyncio.Event()

    async def call_next(call: Call) -> Outcome:
        call.attempts += sent
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    invalidate = InvalidateInterceptor(store, lambda _call: ("a",))
    task = asyncio.get_running_loop().create_task(invalidate(new_call(FakeClock()), call_next))
    await begun.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.old == ([("a",)] if sent else [])
