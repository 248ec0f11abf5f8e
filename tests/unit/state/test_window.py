import pytest

from gateway.state.gcra import NEVER
from gateway.state.window import Window

S = 1_000_000


def taken(rules, state, now_us, cost=1):
    wait_us = rules.wait_us(state, now_us, cost)
    if not wait_us:
        rules.count(state, now_us, cost)
    return wait_us


def test_the_call_after_the_last_place_waits_for_the_first_to_leave():
    rules = Window(3, 60 * S)
    state = rules.new()
    assert [taken(rules, state, at * S) for at in (0, 10, 20, 30)] == [0, 0, 0, 30 * S]
    assert taken(rules, state, 60 * S - 1) == 1
    assert taken(rules, state, 60 * S) == 0
    assert taken(rules, state, 60 * S) == 10 * S


def test_what_is_left_is_told_exactly():
    rules = Window(3, 60 * S)
    state = rules.new()
    assert rules.left(state, 0) == (3, 0)
    taken(rules, state, 0, cost=2)
    taken(rules, state, 10 * S)
    assert rules.left(state, 10 * S) == (0, 60 * S)
    assert rules.left(state, 60 * S) == (2, 10 * S)
    assert rules.left(state, 70 * S) == (3, 0)


def test_a_call_that_needs_several_places_waits_for_all_of_them():
    rules = Window(5, 60 * S)
    state = rules.new()
    for at in range(5):
        taken(rules, state, at * S)
    assert rules.wait_us(state, 10 * S, 1) == 50 * S
    assert rules.wait_us(state, 10 * S, 3) == 52 * S
    assert rules.wait_us(state, 10 * S, 5) == 54 * S
    assert rules.wait_us(state, 10 * S, 6) == NEVER


@pytest.mark.parametrize("requests", [61, 1000])
def test_a_place_comes_back_a_sixtieth_late_at_most(requests):
    rules = Window(requests, 60 * S)
    state = rules.new()
    taken(rules, state, 0)  # shares its entry with what comes within a second
    taken(rules, state, S, cost=requests - 1)
    wait_us = rules.wait_us(state, S, 1)
    assert wait_us == 60 * S  # 61 s after the first, which the window forgets after 60
    assert taken(rules, state, S + wait_us) == 0


def test_calls_more_than_a_sixtieth_apart_leave_one_by_one():
    rules = Window(100, 60 * S)
    state = rules.new()
    taken(rules, state, 0)
    taken(rules, state, S + 1, cost=99)
    assert rules.wait_us(state, S + 1, 1) == 59 * S - 1


def test_few_places_come_back_exactly_when_their_calls_leave_the_window():
    rules = Window(60, 60 * S)
    state = rules.new()
    for at in range(60):
        assert taken(rules, state, at) == 0  # a microsecond apart
    assert taken(rules, state, 59) == 60 * S - 59
    assert taken(rules, state, 60 * S) == 0
    assert taken(rules, state, 60 * S) == 1


@pytest.mark.parametrize("requests", [1, 60, 61, 1_000_000])
@pytest.mark.parametrize("step_us", [1, 997, 100_003, 999_999, S, S + 1, 61 * S])
def test_a_log_is_short_whatever_comes(requests, step_us):
    rules = Window(requests, 60 * S)
    state = rules.new()
    longest = 0
    for turn in range(5000):
        rules.wait_us(state, turn * step_us, 1)
        rules.count(state, turn * step_us, 1)  # a shadow: all are counted
        longest = max(longest, len(state.entries) // 2)
    assert longest <= 61


def test_a_shadow_beyond_its_bound_counts_the_latest_calls():
    rules = Window(3, 60 * S)
    state = rules.new()
    for at in range(10):
        rules.count(state, at * S, 1)
    assert state.total == 3
    assert rules.wait_us(state, 10 * S, 1) == 57 * S  # until the call at 7 s leaves
    rules.count(state, 10 * S, 100)
    assert rules.left(state, 10 * S) == (0, 60 * S)


def test_a_call_beyond_the_bound_takes_a_part_of_the_oldest_entry():
    rules = Window(5, 60 * S)
    state = rules.new()
    taken(rules, state, 0, cost=4)
    rules.count(state, S, 3)
    assert list(state.entries) == [0, 2, S, 3]


def test_a_look_that_takes_no_place_changes_nothing():
    rules = Window(100, 60 * S)
    state = rules.new()
    taken(rules, state, 0)
    rules.count(state, S // 2, 0)
    assert list(state.entries) == [0, 1]
