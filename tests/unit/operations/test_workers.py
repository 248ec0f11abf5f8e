"""Workers over a real store whose answers may not arrive, on the clock that a test drives."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock, FakeRng
from google.protobuf.empty_pb2 import Empty
from sqlalchemy import text
from support.calls import Recorder
from support.durable import opened

from gateway.core.call import MethodInfo
from gateway.core.events import Events, OperationAttempted, OperationEnded
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.operations.options import OperationOptions, Schedule
from gateway.operations.work import Attempted, Keep, Progress, Work, WorkCall
from gateway.operations.workers import Workers
from gateway.state.durable.operations import DurableOperations
from gateway.state.operations import Accepted, Claimed, State
from gateway.state.records import StoreUnavailable

METHOD, OWNER = MethodInfo("work.v1.Works", "Print"), b"o" * 32


class LateStore(DurableOperations):
    """Does what it is asked; so many claims are not answered all the same."""

    late = 0
    claims = 0

    late_ends = 0
    ends = 0

    async def end(self, *args: Any, **said: Any) -> bool:
        self.ends += 1
        if self.late_ends:
            self.late_ends -= 1
            raise StoreUnavailable("it does not answer in time", 0.5)
        return await super().end(*args, **said)

    async def outlive_leases(self) -> None:
        statement = text("UPDATE seawall_operations SET due_at = due_at - 60")
        await self._durable.write(lambda connection: connection.execute(statement))

    async def claim(
        self,
        methods: Sequence[str],
        tokens: Sequence[int],
        *,
        lease_s: float,
        running: Sequence[str] = (),
    ) -> list[Claimed]:
        self.claims += 1
        found = await super().claim(methods, tokens, lease_s=lease_s, running=running)
        if self.late:
            self.late -= 1
            raise StoreUnavailable("it does not answer in time", 0.5)
        return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LateStore]:
    clock = FakeClock()
    async with opened(f"sqlite:///{tmp_path}/seawall.db", timeout_s=10.0) as durable:
        yield LateStore(durable, clock)


async def until(clock: FakeClock, holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        clock.advance(0.1)
        await asyncio.sleep(0.01)
    raise AssertionError("it never held")


async def test_what_was_claimed_by_a_question_without_an_answer_is_made_at_the_next(
    store: LateStore,
) -> None:
    clock, heard = FakeClock(), Recorder()
    made: list[int] = []

    async def do(call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        made.append(1)
        return Attempted(Landing(SUCCESS, b"", (), 1))

    options = OperationOptions(schedule=Schedule(), response=Empty, metadata=None)
    works = {METHOD.full_name: Work(METHOD, Empty, options, do)}
    workers = Workers(store, works, clock, FakeRng([0.5]), Events([heard]))
    for name in ("a", "b"):
        await store.accept(Accepted(name, METHOD.full_name, OWNER, b"", b"", "k"))
    store.late = 2
    workers.start()
    try:
        await until(clock, lambda: sum(isinstance(one, OperationEnded) for one in heard) == 2)
    finally:
        await workers.end()
    assert [one.attempt for one in heard if isinstance(one, OperationAttempted)] == [1, 1]
    assert len(made) == 2
    for name in ("a", "b"):
        kept = await store.get(name, OWNER)
        assert kept is not None
        assert (kept.state, kept.attempts) == (State.SUCCEEDED, 1)


async def test_what_is_made_here_is_not_claimed_again_although_its_lease_is_over(
    store: LateStore,
) -> None:
    clock, begun = FakeClock(), asyncio.Event()
    made: list[int] = []

    async def do(call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        made.append(1)
        await begun.wait()
        return Attempted(Landing(SUCCESS, b"", (), 1))

    options = OperationOptions(schedule=Schedule(), response=Empty, metadata=None)
    works = {METHOD.full_name: Work(METHOD, Empty, options, do)}
    workers = Workers(store, works, clock, FakeRng([0.5]), Events())
    await store.accept(Accepted("a", METHOD.full_name, OWNER, b"", b"", "k"))
    workers.start()
    try:
        await until(clock, lambda: bool(made))
        await store.outlive_leases()
        questions = store.claims
        await until(clock, lambda: store.claims >= questions + 3)
        assert len(made) == 1
        begun.set()
        await until(clock, lambda: workers.running == 0)
    finally:
        await workers.end()
    assert len(made) == 1
    kept = await store.get("a", OWNER)
    assert kept is not None
    assert (kept.state, kept.attempts) == (State.SUCCEEDED, 1)


@pytest.mark.parametrize("how", ["end", "cancel"])
async def test_a_known_end_is_kept_whatever_comes_before_the_store_answers(
    store: LateStore, how: str
) -> None:
    clock, made = FakeClock(), []

    async def do(call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        made.append(1)
        return Attempted(Landing(SUCCESS, b"receipt", (), 1))

    options = OperationOptions(schedule=Schedule(), response=Empty, metadata=None)
    works = {METHOD.full_name: Work(METHOD, Empty, options, do)}
    heard = Recorder()
    workers = Workers(store, works, clock, FakeRng([0.5]), Events([heard]))
    await store.accept(Accepted("a", METHOD.full_name, OWNER, b"", b"", "k"))
    store.late_ends = 1 if how == "end" else 6
    workers.start()
    try:
        await until(clock, lambda: store.ends > 0)
        if how == "cancel":
            await store.cancel("a", OWNER, lambda _kept: b"")
            await until(clock, lambda: workers.running == 0)
    finally:
        await workers.end()
    kept = await store.get("a", OWNER)
    assert kept is not None
    assert kept.state is State.SUCCEEDED
    assert len(made) == 1
    assert [one.state for one in heard if isinstance(one, OperationEnded)] == ["succeeded"]
