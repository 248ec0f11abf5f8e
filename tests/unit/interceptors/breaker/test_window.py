import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.interceptors.breaker.window import CountWindow, TimeWindow


def _totals(window):
    return window.calls, window.failures, window.slow


@pytest.mark.parametrize("window", [TimeWindow(10.0), CountWindow(10)])
def test_failed_and_slow_are_counted_apart(window):
    for failed, slow in ((False, False), (True, False), (False, True), (True, True)):
        window.add(failed, slow, 1000.0)
    assert _totals(window) == (4, 2, 2)


@pytest.mark.parametrize("window", [TimeWindow(10.0), CountWindow(10)])
def test_a_cleared_window_is_as_new(window):
    window.add(True, True, 1000.0)
    window.clear()
    assert _totals(window) == (0, 0, 0)
    window.add(False, True, 1000.0)
    assert _totals(window) == (1, 0, 1)


@pytest.mark.parametrize(
    ("after_s", "calls"), [(0.0, 1), (8.9, 1), (9.9, 1), (10.0, 0), (19.0, 0), (1e9, 0)]
)
def test_a_call_is_forgotten_once_its_tenth_of_the_window_is_too_old(after_s, calls):
    window = TimeWindow(10.0)
    window.add(True, True, 1000.0)
    window.age(1000.0 + after_s)
    assert _totals(window) == (calls, calls, calls)


def test_only_what_is_too_old_is_forgotten():
    window = TimeWindow(10.0)
    for second in range(1000, 1025):
        window.add(second % 2 == 0, False, float(second))
    assert _totals(window) == (10, 5, 0)


def test_a_count_window_holds_the_last_calls_however_old():
    window = CountWindow(3)
    for at, failed in enumerate((True, True, False, False, True)):
        window.add(failed, not failed, at * 1e6)
    window.age(1e12)
    assert _totals(window) == (3, 1, 2)


def test_a_count_window_takes_memory_only_as_it_fills():
    window = CountWindow(2**31)  # would be two gigabytes
    window.add(True, False, 0.0)
    assert _totals(window) == (1, 1, 0)


@given(
    width=st.floats(1e-6, 1e4),
    start=st.floats(0, 1e7),
    steps=st.lists(st.tuples(st.floats(0, 30), st.booleans(), st.booleans()), max_size=60),
)
def test_the_totals_are_those_of_calls_between_nine_and_ten_tenths_old(width, start, steps):
    window = TimeWindow(width * 10)
    now, seen = start, []
    for widths, failed, slow in steps:
        now += widths * width
        window.add(failed, slow, now)
        seen.append((now, failed, slow))
        room = 1e-6 * width + 1e-9 * now
        surely = [one for one in seen if one[0] > now - 9 * width + room]
        maybe = [one for one in seen if one[0] > now - 10 * width - room]
        assert len(surely) <= window.calls <= len(maybe)
        assert sum(s[1] for s in surely) <= window.failures <= sum(m[1] for m in maybe)
        assert sum(s[2] for s in surely) <= window.slow <= sum(m[2] for m in maybe)
        assert min(_totals(window)) >= 0
