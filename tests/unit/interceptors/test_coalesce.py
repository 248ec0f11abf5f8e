"""Equal calls at one time: each rule of interceptors/coalesce.py."""

import asyncio
from collections.abc import Hashable

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call

from gateway.core.call import Call
from gateway.core.deadline import Expired, Expiry
from gateway.core.events import CallCoalesced, Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.interceptors import coalesce
from gateway.interceptors.coalesce import CoalesceInterceptor, CoalesceOptions

COALESCED = ("seawall-coalesced", "true")


class Upstream:
    """Answers "1", "2", … once it is told to."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ended = 0
        self.gate = asyncio.Event()
        self.outcome: Outcome = SUCCESS

    async def __call__(self, call: Call) -> Outcome:
        self.calls.append(call)
        number = len(self.calls)
        call.attempts += 1
        try:
            await self.gate.wait()
        finally:
            self.ended += 1
        if self.outcome is SUCCESS:
            await call.send(b"%d" % number)
        return self.outcome


class World:
    def __init__(self, **options: float) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.upstream = Upstream()
        self.marks: Hashable = None
        self.coalesce = CoalesceInterceptor(
            CoalesceOptions(**options),  # type: ignore[arg-type]
            lambda call: call.request,
            self.clock,
            Events([self.events]),
            self.now,
        )

    async def now(self, _call: Call) -> Hashable:
        return self.marks

    def ask(self, request: bytes = b"a", timeout_s: float = 5) -> "Asked":
        return Asked(self, request, timeout_s)


class Asked:
    """One call, in a task of its own."""

    def __init__(self, world: World, request: bytes, timeout_s: float) -> None:
        self.answers: list[bytes] = []

        async def sink(payload: bytes) -> None:
            self.answers.append(payload)

        self.call = new_call(world.clock, timeout_s=timeout_s, request=request)
        self.call._sink = sink
        self.task = asyncio.get_running_loop().create_task(self._run(world))

    async def _run(self, world: World) -> Outcome | None:
        try:
            with Expiry(world.clock, self.call.deadline_at):
                return await world.coalesce(self.call, world.upstream)
        except Expired:
            return None

    @property
    def joined(self) -> bool:
        return COALESCED in self.call.trailing_metadata


async def turns(count: int = 8) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_thousand_equal_calls_are_one() -> None:
    world = World()
    asked = [world.ask() for _ in range(1000)]
    await turns()
    world.upstream.gate.set()
    await asyncio.gather(*(one.task for one in asked))
    assert len(world.upstream.calls) == 1
    assert all(one.answers == [b"1"] for one in asked)
    assert [one.joined for one in asked] == [False] + [True] * 999
    assert [one.call.attempts for one in asked] == [1] + [0] * 999
    assert len([e for e in world.events if isinstance(e, CallCoalesced)]) == 999
    assert world.coalesce.under_way == 0


async def test_other_requests_are_other_calls() -> None:
    world = World()
    asked = [world.ask(b"a"), world.ask(b"b")]
    world.upstream.gate.set()
    await asyncio.gather(*(one.task for one in asked))
    assert sorted(one.answers[0] for one in asked) == [b"1", b"2"]


async def test_a_call_after_the_answer_is_a_call_of_its_own() -> None:
    world = World()
    world.upstream.gate.set()
    first = world.ask()
    await first.task
    second = world.ask()
    await second.task
    assert second.answers == [b"2"]
    assert not second.joined


async def test_within_the_window_an_answer_is_shared_and_not_after_it() -> None:
    world = World(window_s=0.050)
    world.upstream.gate.set()
    await world.ask().task
    world.clock.advance(0.049)
    inside = world.ask()
    await inside.task
    assert (inside.answers, inside.joined) == ([b"1"], True)
    world.clock.advance(0.001)
    outside = world.ask()
    await outside.task
    assert (outside.answers, outside.joined) == ([b"2"], False)
    world.clock.advance(1)
    assert world.coalesce.kept_bytes == 0


async def test_an_answer_later_than_the_window_is_not_kept() -> None:
    world = World(window_s=0.050)
    slow = world.ask()
    await turns()
    world.clock.advance(0.060)
    world.upstream.gate.set()
    await slow.task
    assert world.coalesce.kept_bytes == 0
    after = world.ask()
    await after.task
    assert after.answers == [b"2"]


async def test_a_failure_is_shared_with_those_that_waited_only() -> None:
    world = World(window_s=10)
    world.upstream.outcome = failed(answered(503))
    waited = [world.ask(), world.ask()]
    await turns()
    world.upstream.gate.set()
    outcomes = await asyncio.gather(*(one.task for one in waited))
    assert [o.error.http_status for o in outcomes if o is not None and o.error] == [503, 503]
    world.upstream.outcome = SUCCESS
    later = world.ask()
    await later.task
    assert later.answers == [b"2"]


async def test_one_waiters_cancel_leaves_the_others() -> None:
    world = World()
    first, second = world.ask(), world.ask()
    await turns()
    first.task.cancel()
    await turns()
    world.upstream.gate.set()
    await second.task
    assert second.answers == [b"1"]


async def test_the_last_one_out_cancels_and_newcomers_do_not_join() -> None:
    world = World()
    first = world.ask()
    await turns()
    first.task.cancel()
    await turns(1)
    second = world.ask()
    await turns()
    assert world.upstream.ended == 1
    world.upstream.gate.set()
    await second.task
    assert (second.answers, second.joined) == ([b"2"], False)


async def test_the_flight_lasts_as_long_as_the_longest_waiter() -> None:
    world = World()
    short, long = world.ask(timeout_s=1), world.ask(timeout_s=9)
    await turns()
    world.clock.advance(2)
    await turns()
    assert await short.task is None
    world.upstream.gate.set()
    assert await long.task is SUCCESS


async def test_after_a_write_nobody_joins_what_began_before_it() -> None:
    world = World(window_s=1)
    world.marks = ("one",)
    before = world.ask()
    await turns()
    world.marks = ("two",)
    after, more = world.ask(), world.ask()
    await turns()
    world.upstream.gate.set()
    await asyncio.gather(before.task, after.task, more.task)
    assert (before.answers, after.answers, more.answers) == ([b"1"], [b"2"], [b"2"])
    assert (after.joined, more.joined) == (False, True)
    world.marks = ("three",)
    late = world.ask()
    await late.task
    assert late.answers == [b"3"], "an answer within its window is as old as its flight"


async def test_with_all_flights_taken_a_call_goes_alone() -> None:
    world = World(max_flights=1)
    taken, alone, joins = world.ask(b"a"), world.ask(b"b"), world.ask(b"a")
    await turns()
    world.upstream.gate.set()
    await asyncio.gather(taken.task, alone.task, joins.task)
    assert len(world.upstream.calls) == 2
    assert alone.call in world.upstream.calls, "it is its own call that goes on"
    assert joins.joined


async def test_answers_of_windows_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalesce, "MAX_KEPT_BYTES", 2000)
    world = World(window_s=10)
    world.upstream.gate.set()
    for request in (b"a", b"b", b"c", b"d", b"e"):
        await world.ask(request).task
    assert 0 < world.coalesce.kept_bytes <= 2000
    kept = world.ask(b"a")
    await kept.task
    assert kept.joined
