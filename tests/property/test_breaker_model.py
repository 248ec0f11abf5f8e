"""Whatever happens in whatever order, the breaker does what a simple model does.

The model keeps everything that ever happened in lists and works out each answer anew.
"""

from typing import Any

from fakes.clock import FakeRng
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.interceptors.breaker import BreakerOptions, Mode, Result, State
from gateway.interceptors.breaker.machine import IGNORED_ANSWERS_TO_CLOSE, Machine, Permit

# Numbers that floats hold exactly, so that both sides agree on every boundary.
_DRAWS = (0.0, 0.75, 0.25, 0.5)
_OPTIONS = st.builds(
    BreakerOptions,
    consecutive_failures=st.sampled_from((0, 2, 4)),
    failure_rate=st.sampled_from((0.0, 0.5, 1.0)),
    slow_call_rate=st.sampled_from((0.0, 0.5)),
    slow_call_duration_s=st.just(1.0),
    minimum_calls=st.sampled_from((0, 3, 6)),
    window_s=st.sampled_from((2.5, 10.0)),
    window_calls=st.sampled_from((0, 0, 1, 4)),
    open_time_s=st.sampled_from((0.25, 0.5)),
    open_time_multiplier=st.sampled_from((1.0, 1.5, 2.0)),
    max_open_time_s=st.sampled_from((0.25, 1.0)),
    open_time_jitter=st.sampled_from((0.0, 0.25)),
    probes=st.integers(1, 3),
    successes_to_close=st.integers(1, 4),
    probe_timeout_s=st.sampled_from((0.25, 1.0)),
    mode=st.sampled_from((Mode.AUTOMATIC, Mode.AUTOMATIC, *Mode)),
)


class _Ticket:
    """A permit as the model sees it."""

    def __init__(self, generation: int, at: float) -> None:
        self.generation = generation
        self.at = at
        self.back = False


class _Model:
    def __init__(self, options: BreakerOptions) -> None:
        self.options = options
        self.rng = FakeRng(_DRAWS)
        self.opened_at = 0.0
        self.state = {1: "closed", 2: "forced_open", 3: "monitor_only"}[options.mode.value]
        self.generation = 0
        self.tickets: list[_Ticket] = []
        self.results: list[tuple[float, bool, bool]] = []  # when, failed, slow: this generation
        self.row = 0
        self.openings = 0
        self.opens_until = 0.0
        self.good_probes = self.odd_answers = 0
        self.heard_from = 0  # the first generation that still counts
        self.answers: list[float] = []  # when probes that count were answered

    def held(self, now: float) -> list[_Ticket]:
        age = self.options.probe_timeout_s
        return [
            t
            for t in self.tickets
            if t.generation == self.generation and not t.back and now < t.at + age
        ]

    def window(self, now: float) -> list[tuple[float, bool, bool]]:
        if self.options.window_calls:
            return self.results[-self.options.window_calls :]
        width = self.options.window_s / 10
        if self.state in ("open", "forced_open"):  # nothing ages any more
            now = self.opened_at
        return [r for r in self.results if r[0] // width > now // width - 10]

    def change(self, state: str, now: float, *, silent: bool = False) -> None:
        if self.state not in ("open", "forced_open"):
            self.opened_at = now
        if state == "open":
            middle = self.options.open_time_s * self.options.open_time_multiplier**self.openings
            middle = min(middle, self.options.max_open_time_s)
            low = middle - middle * self.options.open_time_jitter
            high = middle + middle * self.options.open_time_jitter
            high = min(high, self.options.max_open_time_s)
            self.opens_until = now + low + (high - low) * self.rng.random()
            self.openings += 1
        if state in ("closed", "monitor_only"):
            self.row = self.openings = 0
        if state in ("closed", "half_open", "monitor_only"):
            self.results = []
        self.good_probes = self.odd_answers = 0
        self.generation += 1
        if not silent:
            self.heard_from = self.generation
            self.answers = []
        self.state = state

    def ask(self, now: float) -> bool:
        if self.state == "half_open":
            self.look_for_unanswered(now)
        if self.state == "open" and now >= self.opens_until:
            self.change("half_open", now, silent=True)
        if self.state == "half_open":
            return len(self.held(now)) < self.options.probes
        return self.state in ("closed", "monitor_only")

    def look_for_unanswered(self, now: float) -> None:
        for ticket in self.tickets:
            if (
                ticket.generation == self.generation
                and not ticket.back
                and now >= ticket.at + self.options.probe_timeout_s
                and not any(answer >= ticket.at for answer in self.answers)
            ):
                self.change("open", ticket.at, silent=True)
                return

    def take(self, now: float) -> _Ticket | None:
        if not self.ask(now):
            return None
        ticket = _Ticket(self.generation, now)
        if self.state == "half_open":
            self.tickets.append(ticket)
        return ticket

    def give_back(self, ticket: _Ticket, result: Result, duration_s: float, now: float) -> None:
        if ticket.back:
            return
        ticket.back = True
        if ticket.generation < self.heard_from or result is Result.IGNORED:
            return
        if self.state in ("open", "half_open"):
            failed = result is Result.FAILURE
            slow = result is Result.SUCCESS and duration_s >= self.options.slow_call_duration_s
            if ticket.generation != self.generation and (
                failed or (slow and self.options.slow_call_rate > 0)
            ):
                return
            if self.state == "open":
                self.change("half_open", now, silent=True)
            self.answers.append(now)
        if result is Result.IGNORED_ANSWER:
            self.odd_answers += 1
            if self.state == "half_open" and self.odd_answers == IGNORED_ANSWERS_TO_CLOSE:
                self.change("closed", now)
            return
        failed, slow = result is Result.FAILURE, duration_s >= self.options.slow_call_duration_s
        self.results.append((now, failed, slow))
        self.row = self.row + 1 if failed else 0
        if self.state == "half_open":
            if failed or (slow and self.options.slow_call_rate > 0):
                self.change("open", ticket.at)
            else:
                self.good_probes += 1
                if self.good_probes == self.options.successes_to_close:
                    self.change("closed", now)
        elif self.state == "closed" and self.trips(now):
            self.change("open", now)

    def trips(self, now: float) -> bool:
        limit = self.options.consecutive_failures
        if limit and self.row >= limit:
            return True
        window = self.window(now)
        least = max(1, self.options.minimum_calls)
        if self.options.window_calls:
            least = min(least, self.options.window_calls)
        if len(window) < least:
            return False
        failure_rate, slow_rate = self.options.failure_rate, self.options.slow_call_rate
        bad, slow = sum(r[1] for r in window), sum(r[2] for r in window)
        return (failure_rate > 0 and bad / len(window) >= failure_rate) or (
            slow_rate > 0 and slow / len(window) >= slow_rate
        )

    def force(self, mode: Mode, now: float) -> None:
        if mode is Mode.FORCED_OPEN and self.state != "forced_open":
            self.change("forced_open", now)
        elif mode is Mode.MONITOR_ONLY and self.state != "monitor_only":
            self.change("monitor_only", now)
        elif mode is Mode.AUTOMATIC and self.state == "forced_open":
            self.change("half_open", now)
        elif mode is Mode.AUTOMATIC and self.state == "monitor_only":
            self.change("closed", now)

    def reset(self, now: float) -> None:
        if self.state == "monitor_only":
            self.change("monitor_only", now)
        elif self.state != "forced_open":
            self.change("closed", now)


class BreakerAgainstModel(RuleBasedStateMachine):
    @initialize(options=_OPTIONS)
    def begin(self, options: BreakerOptions) -> None:
        self.now = 1000.0
        self.changes: list[tuple[State, State, str]] = []
        self.machine = Machine(
            options,
            FakeRng(_DRAWS),
            lambda *change: self.changes.append(change),
        )
        self.first = self.machine.state
        self.model = _Model(options)
        self.pairs: list[tuple[Permit, _Ticket]] = []

    @rule(count=st.integers(1, 5))
    def acquire(self, count: int) -> None:
        for _ in range(count):
            stands = self.machine.state_at(self.now)
            allowed = self.machine.allows(self.now)
            permit, ticket = self.machine.acquire(self.now), self.model.take(self.now)
            assert allowed == (permit is not None) == (ticket is not None)
            if stands in (State.OPEN, State.FORCED_OPEN):
                assert permit is None
            if permit is not None and ticket is not None:
                self.pairs.append((permit, ticket))

    @rule()
    def check(self) -> None:
        outstanding = self.machine.outstanding
        assert self.machine.allows(self.now) == self.model.ask(self.now)
        assert self.machine.outstanding <= outstanding  # nothing was taken

    @precondition(lambda self: self.pairs)
    @rule(
        data=st.data(),
        result=st.sampled_from(tuple(Result)),
        duration_s=st.sampled_from((0.0, 0.5, 1.0, 4.0)),
        twice=st.booleans(),
    )
    def release(self, data: Any, result: Result, duration_s: float, twice: bool) -> None:
        at = data.draw(st.integers(0, len(self.pairs) - 1))
        permit, ticket = self.pairs[at] if twice else self.pairs.pop(at)
        permit.release(result, duration_s, self.now)
        self.model.give_back(ticket, result, duration_s, self.now)

    @rule(result=st.sampled_from((Result.SUCCESS, Result.FAILURE, Result.IGNORED_ANSWER)))
    def run(self, result: Result) -> None:
        for _ in range(IGNORED_ANSWERS_TO_CLOSE):
            permit, ticket = self.machine.acquire(self.now), self.model.take(self.now)
            assert (permit is None) == (ticket is None)
            if permit is not None and ticket is not None:
                permit.release(result, 0.0, self.now)
                self.model.give_back(ticket, result, 0.0, self.now)

    @rule()
    def try_it_again(self) -> None:
        """Come to the moment at which its open time is over, if it is open or can be opened."""
        self.run(Result.FAILURE)
        if self.machine.state is State.OPEN:
            self.now = max(self.now, self.machine.open_until)
            self.acquire(2)

    @precondition(lambda self: self.pairs)
    @rule()
    def cancel_the_latest_and_come_again(self) -> None:
        permit, ticket = self.pairs.pop()
        permit.release(Result.IGNORED, 0.0, self.now)
        self.model.give_back(ticket, Result.IGNORED, 0.0, self.now)
        self.acquire(2)

    @rule(steps=st.sampled_from((1, 4, 8, 16, 64, 160, 700)))
    def advance(self, steps: int) -> None:
        self.now += steps / 64

    @rule(mode=st.sampled_from((*Mode, Mode.AUTOMATIC, Mode.AUTOMATIC)))
    def force(self, mode: Mode) -> None:
        self.machine.force(mode, self.now)
        self.model.force(mode, self.now)

    @rule()
    def reset(self) -> None:
        self.machine.reset(self.now)
        self.model.reset(self.now)

    @invariant()
    def both_stand_alike(self) -> None:
        machine, model = self.machine, self.model
        assert machine.state.value == model.state
        assert machine.generation == model.generation
        assert machine.consecutive_failures == model.row
        if machine.state is State.OPEN:
            assert machine.open_until == model.opens_until
        if machine.state not in (State.OPEN, State.FORCED_OPEN):
            machine.window.age(self.now)
        window = model.window(self.now)
        found = (machine.window.calls, machine.window.failures, machine.window.slow)
        assert found == (len(window), sum(r[1] for r in window), sum(r[2] for r in window))

    @invariant()
    def permits_are_conserved(self) -> None:
        machine = self.machine
        held = len(self.model.held(self.now)) if machine.state is State.HALF_OPEN else 0
        assert held <= machine.outstanding <= self.model.options.probes
        if machine.state is not State.HALF_OPEN:
            assert machine.outstanding == 0

    @invariant()
    def every_change_was_told(self) -> None:
        state = self.first
        for before, after, why in self.changes:
            assert before is state
            assert before is not after
            assert why
            state = after
        assert state is self.machine.state


BreakerAgainstModel.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestBreakerAgainstModel = BreakerAgainstModel.TestCase
