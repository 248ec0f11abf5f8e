"""Laws of the whole way of a call, for calls that come, end and are cancelled in any order.

The pipelines are those that a gateway builds, with everything on that waits or counts; the
upstream answers when and how it is drawn.
"""

import asyncio
import random

import pytest
from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import answered, reset
from support.wired import Wired, turns

from gateway.core.call import Call
from gateway.core.events import (
    BreakerChanged,
    CallEnded,
    CallRefused,
    HedgeSent,
    PacingChanged,
    RetryGivenUp,
    RetryScheduled,
)
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.breaker import State
from gateway.interceptors.deadline import DeadlineOptions, effective_deadline
from gateway.interceptors.retry import RetryBudget, RetryBudgetOptions

SHARE, FLOOR_PER_S, WINDOW_S = 0.25, 0.125, 10.0
PLACES, PROBES, PROBE_S = 4, 2, 0.25
UPSTREAM = f"""
    bulkhead: {{max_in_flight: {PLACES}, max_queued: 6, max_wait: 2s}},
    breaker: {{consecutive_failures: 3, probes: {PROBES}, probe_timeout: {PROBE_S}s}},
    pacing: {{requests: 8, per: 1s, burst: 4, max_queued: 5}},
    retry_budget: {{share: {SHARE}, min_per_second: {FLOOR_PER_S}, window: {WINDOW_S:.0f}s}}
"""
METHOD = """
    serialize: {field: name, max_queued: 3}, retry: {initial_backoff: 0.2s},
    hedge: {delay: 0.3s, max_share: 1}
"""
ENDS = [
    SUCCESS,
    failed(answered(503)),
    failed(answered(404)),
    failed(answered(429, 1)),
    failed(reset()),
]

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("come"),
            st.tuples(
                st.sampled_from(("One", "Two")),
                st.sampled_from(("", "", "a", "b")),
                st.sampled_from(("sheddable", "critical", "critical_plus")),
                st.none() | st.floats(0.05, 3),
                st.integers(1, 4),
            ),
        ),
        st.tuples(st.just("end"), st.tuples(st.integers(0, 9), st.sampled_from(ENDS))),
        st.tuples(st.just("end"), st.tuples(st.integers(0, 9), st.just(SUCCESS))),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(
            st.just("cancel_meanwhile"),
            st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 12)),
        ),
        st.tuples(st.just("fail_all"), st.integers(2, 12)),
        st.tuples(st.just("wait"), st.floats(0.01, 1.5)),
    ),
    max_size=60,
)


class NotedBudget(RetryBudget):
    """A budget that notes when calls deposit and attempts withdraw."""

    def __init__(self) -> None:
        options = RetryBudgetOptions(share=SHARE, min_per_s=FLOOR_PER_S, window_s=WINDOW_S)
        super().__init__(options)
        self.deposits: list[float] = []
        self.withdrawals: list[float] = []

    def deposit(self, now: float) -> None:
        self.deposits.append(now)
        super().deposit(now)

    def withdraw(self, now: float) -> bool:
        granted = super().withdraw(now)
        if granted:
            self.withdrawals.append(now)
        return granted


class World:
    """An upstream under way, and what was seen of it."""

    def __init__(self, *, slow_start: bool) -> None:
        self.clock = FakeClock(auto_jump=True)
        adaptive = f", adaptive_concurrency: {{slow_start: {str(slow_start).lower()}}}"
        self.wired = Wired(UPSTREAM + adaptive, METHOD, clock=self.clock)
        self.wired.answer = self._answer
        self.machine = self.wired.upstream.breaker.of(None)._machine
        self.inside: list[tuple[asyncio.Future[Outcome], float, int]] = []
        """Attempts at the upstream: how to end each, since when, in which generation."""
        self.tasks: dict[asyncio.Task[Outcome], Call] = {}
        self.came: list[Call] = []
        self.budget = self.wired.upstream.budget = NotedBudget()
        for pipeline in self.wired.pipelines.values():
            for one in pipeline.interceptors:
                if one.name in ("retry", "hedge"):
                    one._budget = self.budget

    async def _answer(self, _call: Call) -> Outcome:
        end: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        attempt = end, self.clock.now(), self.machine.generation
        self.inside.append(attempt)
        try:
            return await end
        finally:
            self.inside.remove(attempt)

    # Steps

    def come(self, said: tuple[str, str, str, float | None, int]) -> None:
        method, key, criticality, timeout_s, count = said
        for _ in range(count):
            call = self.wired.new_call(
                method, name=key, timeout_s=timeout_s, metadata=(("x-criticality", criticality),)
            )
            self.came.append(call)
            self.tasks[self.wired.begin(call)] = call

    def end(self, said: tuple[int, Outcome]) -> None:
        which, outcome = said
        if which < len(self.inside) and not self.inside[which][0].done():
            self.inside[which][0].set_result(outcome)

    def cancel(self, which: int) -> None:
        if which < len(self.tasks):
            list(self.tasks)[which].cancel()

    async def cancel_meanwhile(self, said: tuple[int, int, int]) -> None:
        """End an attempt and cancel a call while that takes its way."""
        ends, cancels, later = said
        self.end((ends, SUCCESS))
        await turns(later)
        self.cancel(cancels)

    async def fail_all(self, count: int) -> None:
        """Let the upstream be out for a while, and then come many."""
        self.come(("One", "", "critical", None, count))
        for _ in range(8):
            await turns(30)
            for which in range(len(self.inside)):
                self.end((which, failed(reset())))
            await turns(30)
            await self.clock.sleep(0.12)
        self.come(("Two", "", "critical", None, count))

    async def step(self, what: str, said: object) -> None:
        if what == "wait":
            await self.clock.sleep(said)
        elif what in ("fail_all", "cancel_meanwhile"):
            await getattr(self, what)(said)
        else:
            getattr(self, what)(said)
        await turns(30)
        for task in [task for task in self.tasks if task.done()]:
            if not task.cancelled():
                task.result()
            del self.tasks[task]
        self.check()

    # Laws

    def check(self) -> None:
        now, limiter = self.clock.now(), self.wired.upstream.limiter
        assert len(self.inside) == limiter.in_flight <= PLACES
        assert 0 <= limiter.queued <= 6
        if self.machine.state is State.HALF_OPEN:
            probes = [
                at
                for _, at, generation in self.inside
                if generation == self.machine.generation and now - at < PROBE_S
            ]
            held = [permit for permit in self.machine._held if permit.expires_at > now]
            assert len(probes) == len(held) <= PROBES
        # Refused calls earn nothing, and no call more than once.
        assert len(self.budget.deposits) <= sum(call.attempts > 0 for call in self.came)
        for call in self.tasks.values():
            assert now < effective_deadline(
                DeadlineOptions(), call.arrived_at, call.client_deadline_at
            )

    def check_the_budget(self) -> None:
        taken, deposits = self.budget.withdrawals, self.budget.deposits
        assert taken == [
            at for at, event in self.wired.times if isinstance(event, RetryScheduled | HedgeSent)
        ]
        # All calls are over: each that was sent has deposited, and no other has.
        assert len(deposits) == sum(call.attempts > 0 for call in self.came)
        for number, now in enumerate(taken, 1):
            recent = sum(at >= now - WINDOW_S for at in taken[:number])
            calls = sum(now - WINDOW_S <= at <= now for at in deposits)
            assert recent <= SHARE * calls + FLOOR_PER_S * WINDOW_S

    async def end_all(self) -> None:
        for _ in range(200):
            if not self.tasks:
                break
            while self.inside:
                await self.step("end", (0, SUCCESS))
            await self.step("wait", 0.25)
        assert not self.tasks
        limiter, pacer = self.wired.upstream.limiter, self.wired.upstream.pacer
        assert (limiter.in_flight, limiter.queued, pacer.queued) == (0, 0, 0)
        assert self.machine.outstanding == 0
        assert self.clock.pending == 0
        for pipeline in self.wired.pipelines.values():
            (serialize,) = [one for one in pipeline.interceptors if one.name == "serialize"]
            assert serialize._turns.keys == 0
        taken = 0
        while limiter.try_acquire():
            taken += 1
        assert taken == limiter.limit
        assert len([1 for event in self.wired.heard if isinstance(event, CallEnded)]) == len(
            self.came
        )


async def live(steps: list[tuple[str, object]], *, slow_start: bool = True) -> World:
    world = World(slow_start=slow_start)
    for what, said in steps:
        await world.step(what, said)
    await world.end_all()
    world.check_the_budget()
    return world


@settings(max_examples=120, deadline=None)
@given(STEPS, st.booleans())
def test_permits_are_conserved_the_budget_is_kept_and_no_call_outlives_its_deadline(
    steps, slow_start
):
    asyncio.run(live(steps, slow_start=slow_start))


@pytest.mark.parametrize("key", ["", "a"])  # places are waited for, or turns of a key
@pytest.mark.parametrize("later", range(15))
async def test_who_is_cancelled_at_any_step_of_being_handed_a_turn_loses_none(key, later):
    for cancelled in range(7):
        world = World(slow_start=True)
        for _ in range(7 if key == "" else 4):
            await world.step("come", ("One", key, "critical", None, 1))
            await world.step("wait", 0.02)
        await world.step("wait", 0.2)
        await world.step("cancel_meanwhile", (0, cancelled, later))
        await world.end_all()


async def test_such_steps_reach_every_mechanism():
    rng = random.Random(7)
    # At first nobody is answered, until no place is left to wait in; then anything.
    steps: list[tuple[str, object]] = [
        ("come", ("One", "", "critical", 3.0, 1)),
        ("wait", 0.15),
    ] * 16
    for _ in range(1500):
        steps += [
            ("come", (rng.choice(("One", "Two")), rng.choice(("", "a")), "critical", 3.0, 2)),
            ("end", (rng.randrange(4), rng.choice(ENDS))),
            ("cancel", rng.randrange(60)),
            ("wait", rng.random() / 4),
        ]
    world = await live(steps)
    kinds = {type(event) for event in world.wired.heard}
    assert {RetryScheduled, RetryGivenUp, HedgeSent, BreakerChanged, PacingChanged} <= kinds
    refusals = {event.mechanism for event in world.wired.heard if isinstance(event, CallRefused)}
    assert refusals == {"serialize", "breaker", "pacing", "concurrency"}
    states = {event.after for event in world.wired.heard if isinstance(event, BreakerChanged)}
    assert states == {"open", "half_open", "closed"}
    assert {event.code for event in world.wired.heard if isinstance(event, CallEnded)} >= {
        Code.OK,
        Code.CANCELLED,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
        Code.UNAVAILABLE,
    }
