"""Pacing for any sequence of arrivals, cancellations, answers and lessons."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.criticality import Criticality
from gateway.interceptors.pacing.pacer import Pacer, PacingOptions
from gateway.interceptors.pacing.refusal import Refusal
from gateway.interceptors.pacing.ticket import Ticket

NEAR = 1e-6

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0, 3)),
        st.tuples(
            st.just("enter"),
            st.tuples(st.none() | st.floats(0, 20), st.sampled_from(Criticality)),
        ),
        st.tuples(st.just("leave"), st.integers(0, 5)),
        st.tuples(st.just("through"), st.just(0)),
        st.tuples(st.just("refused"), st.none() | st.floats(0, 30)),
        st.tuples(st.just("back"), st.just(0)),
    ),
    max_size=150,
)
RATES = st.tuples(st.integers(1, 200), st.floats(0.1, 60), st.integers(1, 20))


class Run:
    """Drives a pacer as its interceptor does, and keeps what went when."""

    def __init__(self, pacer: Pacer, look: Callable[[float, float], float]) -> None:
        self.pacer = pacer
        self.now = 100.0
        self.look = look
        """From when a turn is due, and the end of the step, to when it is looked at."""
        self.line: list[tuple[int, Ticket]] = []
        self.went: list[tuple[float, int]] = []
        self.entered = 0
        self.pauses: list[tuple[float, float]] = []

    def step(self, what: str, value: object) -> None:
        getattr(self, what)(value)
        self.line = [(n, t) for n, t in self.line if t.refusal is None]
        assert self.pacer.queued == len(self.line)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.line:
            number, ticket = self.line[0]
            left = self.pacer.turn(ticket, self.now)
            if isinstance(left, Refusal):
                self.drop(0)
            elif left:
                at = max(self.look(self.now + left, end), self.now + 1e-9)
                if at > end:
                    break
                self.now = at
            else:
                self.line.pop(0)
                self.went.append((self.now, number))
                self.pacer.leave(ticket)
        self.now = max(self.now, end)

    def enter(self, said: tuple[float | None, Criticality]) -> None:
        patience_s, criticality = said
        number, self.entered = self.entered, self.entered + 1
        deadline_at = float("inf") if patience_s is None else self.now + patience_s
        entered = self.pacer.enter(self.now, deadline_at, criticality)
        if isinstance(entered, Ticket):
            self.line.append((number, entered))
            self.line.sort(key=lambda one: (-one[1].criticality, one[0]))
        elif entered is None:
            waiting = [ticket.criticality for _, ticket in self.line if ticket.refusal is None]
            assert criticality > max(waiting, default=0), "somebody came before those that wait"
            self.went.append((self.now, number))
        else:
            assert entered.retry_after_s > 0

    def leave(self, which: int) -> None:
        if which < len(self.line):
            self.drop(which)

    def drop(self, which: int) -> None:
        self.pacer.leave(self.line.pop(which)[1])

    def through(self, _: float | None) -> None:
        self.pacer.through(self.pacer.round, self.now)

    def refused(self, retry_after_s: float | None) -> None:
        self.pacer.refused(self.pacer.round, retry_after_s, self.now)
        paused_until = self.pacer._lesson.paused_until
        if paused_until > self.now:
            assert paused_until <= self.now + 60
            self.pauses.append((self.now, paused_until))
        if self.pacer.news is not None:
            self.pacer.news = None
            self.pacer.refuse_late(self.now)

    def back(self, _: float | None) -> None:
        if self.went and self.went[-1][0] == self.now:  # a breaker refuses at once
            self.pacer.take_back(self.pacer.went)
            self.went.pop()


def exactly(due_at: float, _end: float) -> float:
    return due_at


def run(steps, options: PacingOptions, look) -> Run:
    one = Run(Pacer(options, "shop"), look)
    for what, value in steps:
        one.step(what, value)
    return one


def bounded(went: list[tuple[float, int]], rate: float, burst: float) -> None:
    for first in range(len(went)):
        for last in range(first, len(went)):
            lasted_s = went[last][0] - went[first][0]
            assert last - first + 1 <= burst + rate * lasted_s + NEAR * (1 + rate)


@given(STEPS, RATES, st.booleans())
def test_no_interval_holds_more_than_the_burst_and_the_rate(steps, rates, learn):
    requests, per_s, burst = rates
    options = PacingOptions(requests=requests, per_s=per_s, burst=burst, learn=learn)
    one = run(steps, options, exactly)
    bounded(one.went, requests / per_s, burst)


@given(STEPS, RATES)
def test_wake_ups_that_come_late_add_five_milliseconds_at_most(steps, rates):
    requests, per_s, burst = rates
    options = PacingOptions(requests=requests, per_s=per_s, burst=burst)
    one = run(steps, options, lambda _due_at, end: end)
    rate = requests / per_s
    bounded(one.went, rate, burst + 0.005 * rate)


@given(STEPS, st.none() | st.integers(1, 100))
def test_nothing_leaves_before_a_pause_ends(steps, requests):
    one = run(steps, PacingOptions(requests=requests), exactly)
    for began_at, ends_at in one.pauses:
        assert not [at for at, _ in one.went if began_at < at < ends_at - NEAR]


@given(STEPS, st.none() | st.integers(1, 100))
def test_what_goes_goes_in_the_order_of_arrival_among_its_like(steps, requests):
    one = run(steps, PacingOptions(requests=requests, max_queued=10), exactly)
    said = [value[1] for what, value in steps if what == "enter"]
    for criticality in Criticality:
        numbers = [number for _, number in one.went if said[number] is criticality]
        assert numbers == sorted(numbers)
    assert one.pacer.queued <= 10


@given(STEPS, RATES)
def test_everybody_that_waits_goes_in_the_end(steps, rates):
    requests, per_s, burst = rates
    one = run(steps, PacingOptions(requests=requests, per_s=per_s, burst=burst), exactly)
    patient = {number for number, ticket in one.line if ticket.deadline_at == float("inf")}
    one.wait(1e6)
    assert one.line == []
    assert patient <= {number for _, number in one.went}


@given(STEPS)
def test_a_rate_is_taught_and_never_below_one_in_ten_seconds(steps):
    one = run(steps, PacingOptions(), exactly)
    rate = one.pacer.rate_per_s
    assert rate is None or rate >= 0.1
    assert one.pacer.learned == (rate is not None)


@pytest.mark.parametrize("requests", [None, 1000])
def test_the_steps_above_reach_a_lesson_with_a_pause(requests):
    enter = ("enter", (None, Criticality.CRITICAL))
    steps = [enter, ("wait", 0.15), ("refused", 5.0)] * 7 + [enter] * 3
    one = run(steps, PacingOptions(requests=requests), exactly)
    assert one.pauses
    assert len(one.line) == 3
