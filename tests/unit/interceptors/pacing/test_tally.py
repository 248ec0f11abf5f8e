import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.interceptors.pacing.tally import Tally


def test_a_window_holds_what_came_in_it():
    tally = Tally()
    for tenths in range(100):
        tally.through(tenths / 10)
    tally.refused(9.9)
    tally.asked(9.9)
    count = tally.count(3.0, 9.95)
    assert count.through == pytest.approx(30, abs=3)
    assert (count.refused, count.asked) == (1, 1)
    assert tally.count(10.0, 9.95).through == 100


def test_the_span_begins_with_the_first_of_them():
    tally = Tally()
    tally.refused(5.0)
    assert tally.count(10.0, 7.0).span_s == 2.0
    assert tally.count(10.0, 100.0).span_s < 0.25


def test_what_is_older_is_forgotten():
    tally = Tally()
    tally.through(1.0)
    tally.refused(2.0)
    assert tally.count(10.0, 11.5)[:2] == (0, 1)
    assert tally.count(10.0, 13.0)[:2] == (0, 0)
    tally.through(1e6)
    assert tally.count(10.0, 1e6)[:2] == (1, 0)


@pytest.mark.parametrize("kind", ["through", "refused", "asked"])
@pytest.mark.parametrize("now", [0.0, 9.9, 1000.0])
def test_the_first_is_counted_however_late_it_comes(kind, now):
    tally = Tally()
    getattr(tally, kind)(now)
    assert getattr(tally.count(10.0, now), kind) == 1


def test_clearing_forgets_everything():
    tally = Tally()
    tally.through(1.0)
    tally.clear()
    assert tally.count(10.0, 1.0).through == 0


@given(st.lists(st.floats(0, 5), max_size=60), st.sampled_from([1.0, 3.0, 10.0]))
def test_counts_are_those_of_the_window_up_to_a_quarter_of_a_second(steps, window_s):
    tally = Tally()
    now, at = 0.0, []
    for step in steps:
        now += step
        at.append(now)
        tally.through(now)
    count = tally.count(window_s, now).through
    assert sum(now - t < window_s - 0.25 for t in at) <= count
    assert count <= sum(now - t <= window_s for t in at)


def test_what_lasts_is_known_after_ten_seconds_and_through_turns():
    tally = Tally()
    for n in range(1, 121):
        tally.through(1000 + n / 10)
        if n % 30 == 0:
            tally.turn_over(1000 + n / 10)
        if n == 90:
            assert tally.lasting(1009.0) == 0
    assert tally.lasting(1012.0) == pytest.approx(10, abs=0.3)
    assert tally.count(10, 1012.0).through == 0
    tally.clear()
    assert tally.lasting(1012.0) == 0
