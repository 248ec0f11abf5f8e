import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.criticality import Criticality
from gateway.core.errors import Reason
from gateway.core.status import Code
from gateway.interceptors.overload.guard import OverloadGuard, OverloadOptions, overloaded

SHEDDABLE, SHEDDABLE_PLUS, CRITICAL, CRITICAL_PLUS = Criticality


class Fed:
    """A guard and the time of its samples."""

    def __init__(self, **options) -> None:
        self.guard = OverloadGuard(OverloadOptions(**options))
        self.now = 0.0

    def feed(self, lag_s: float, memory: float | None = None, samples: int = 5) -> Criticality:
        for _ in range(samples):
            self.now += 0.05
            self.guard.observe(lag_s, memory, self.now)
        return self.guard.least

    def until_changed(self, lag_s: float, memory: float | None = None) -> float:
        began_at = self.now
        while True:
            self.now += 0.05
            if self.guard.observe(lag_s, memory, self.now):
                return self.now - began_at


def test_everything_is_served_at_first():
    guard = OverloadGuard(OverloadOptions())
    assert (guard.least, guard.why) == (SHEDDABLE, "")


@pytest.mark.parametrize(
    ("lag_s", "least"),
    [
        (0.0, SHEDDABLE),
        (0.1, SHEDDABLE),
        (0.11, SHEDDABLE_PLUS),
        (0.2, SHEDDABLE_PLUS),
        (0.21, CRITICAL),
        (0.4, CRITICAL),
        (0.41, CRITICAL_PLUS),
        (1000.0, CRITICAL_PLUS),
    ],
)
def test_lag_sheds_the_least_critical_first_and_never_critical_plus(lag_s, least):
    assert Fed().feed(lag_s) is least


@pytest.mark.parametrize(
    ("share", "least"),
    [
        (None, SHEDDABLE),
        (0.9, SHEDDABLE),
        (0.91, SHEDDABLE_PLUS),
        (0.94, CRITICAL),
        (0.97, CRITICAL_PLUS),
        (1.2, CRITICAL_PLUS),
    ],
)
def test_memory_sheds_between_its_limit_and_all_of_it(share, least):
    assert Fed().feed(0.0, share, samples=1) is least


def test_the_options_are_the_limits():
    assert Fed(max_loop_lag_s=1.0).feed(0.9) is SHEDDABLE
    assert Fed(max_memory_share=0.5).feed(0, 0.6) is SHEDDABLE_PLUS


@pytest.mark.parametrize("pause_s", [0.3, 30.0])
def test_one_pause_sheds_nothing(pause_s):
    fed = Fed()
    fed.feed(0.002)
    assert fed.feed(pause_s, samples=2) is SHEDDABLE
    assert fed.feed(0.002) is SHEDDABLE


def test_a_lag_that_stays_sheds_with_its_third_sample():
    fed = Fed()
    assert fed.feed(0.3, samples=2) is SHEDDABLE
    assert fed.feed(0.3, samples=1) is CRITICAL


def test_the_worse_of_lag_and_memory_counts():
    assert Fed().feed(0.15, 0.95) is CRITICAL
    assert Fed().feed(0.5, 0.91) is CRITICAL_PLUS


def test_it_recovers_one_step_a_second():
    fed = Fed()
    fed.feed(1.0)
    seen = []
    for _ in range(3):
        took_s = fed.until_changed(0.0)
        assert 1.0 <= took_s <= 1.21
        seen.append(fed.guard.least)
    assert seen == [CRITICAL, SHEDDABLE_PLUS, SHEDDABLE]
    assert fed.guard.why == ""


def test_what_wavers_about_the_limit_changes_nothing():
    fed = Fed()
    fed.feed(0.11)
    for lag_s in itertools.islice(itertools.cycle((0.09, 0.08, 0.1)), 200):
        assert fed.feed(lag_s, samples=1) is SHEDDABLE_PLUS
    assert fed.feed(0.07, samples=30) is SHEDDABLE


def test_memory_that_wavers_changes_nothing():
    fed = Fed()
    fed.feed(0, 0.91)
    assert fed.feed(0, 0.88, samples=100) is SHEDDABLE_PLUS
    assert fed.feed(0, 0.86, samples=30) is SHEDDABLE


def test_calm_that_is_broken_counts_from_the_beginning():
    fed = Fed()
    fed.feed(0.15)
    fed.feed(0.0, samples=20)
    fed.feed(0.09, samples=3)
    assert fed.feed(0.0, samples=20) is SHEDDABLE_PLUS
    assert fed.feed(0.0, samples=5) is SHEDDABLE


def test_observing_tells_of_changes_only():
    guard = OverloadGuard(OverloadOptions())
    told = [guard.observe(0.15, None, n * 0.05) for n in range(20)]
    assert told.count(True) == 1


@pytest.mark.parametrize(
    ("lag_s", "memory", "why"),
    [(0.15, 0.1, "the event loop is 0.15 s late"), (0.0, 0.95, "95% of the memory is used")],
)
def test_it_says_why(lag_s, memory, why):
    fed = Fed()
    fed.feed(lag_s, memory)
    assert fed.guard.why == why


def test_the_error_tells_retrying_clients_to_stay_away():
    fed = Fed()
    fed.feed(0.25)
    error = overloaded(fed.guard)
    assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.OVERLOADED)
    assert error.pushback_s == -1
    assert error.retry_after_s is None
    assert error.transient
    assert "0.25 s late" in error.message
    assert "CRITICAL" in error.message


@given(st.lists(st.tuples(st.floats(0, 10), st.none() | st.floats(0, 1.5), st.floats(0.001, 3))))
def test_steps_down_are_single_and_a_second_apart(samples):
    guard = OverloadGuard(OverloadOptions())
    now = last_at = 0.0
    for lag_s, memory, passed_s in samples:
        now += passed_s
        before = guard.least
        assert guard.observe(lag_s, memory, now) == (guard.least is not before)
        assert bool(guard.why) == (guard.least is not SHEDDABLE)
        if guard.least < before:
            assert guard.least == before - 1
            assert now - last_at >= 1.0
        if guard.least != before:
            last_at = now
