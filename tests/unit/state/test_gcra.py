import pytest

from gateway.state.gcra import NEVER, Gcra

S = 1_000_000


def taken(rules, state, now_us, cost=1):
    wait_us = rules.wait_us(state, now_us, cost)
    if not wait_us:
        rules.count(state, now_us, cost)
    return wait_us


def test_a_burst_passes_at_once_and_no_more():
    rules = Gcra(10, 10 * S, burst=3)
    state = rules.new()
    assert [taken(rules, state, 5 * S) for _ in range(4)] == [0, 0, 0, 1 * S]


def test_places_come_back_one_by_one():
    rules = Gcra(10, 10 * S, burst=3)
    state = rules.new()
    for _ in range(3):
        taken(rules, state, 0)
    assert taken(rules, state, S - 1) == 1
    assert taken(rules, state, S) == 0
    assert taken(rules, state, S) == S
    assert rules.left(state, 3 * S) == (2, 1 * S)
    assert rules.left(state, 10 * S) == (3, 0)


@pytest.mark.parametrize(
    ("now_us", "left", "reset_us"),
    [(0, 1, 2 * S), (1, 1, 2 * S - 1), (S - 1, 1, S + 1), (S, 2, S), (2 * S, 3, 0), (9 * S, 3, 0)],
)
def test_what_is_left_is_told_exactly(now_us, left, reset_us):
    rules = Gcra(10, 10 * S, burst=3)
    state = rules.new()
    taken(rules, state, 0, cost=2)
    assert rules.left(state, now_us) == (left, reset_us)


def test_a_call_may_take_several_places_or_none_of_them():
    rules = Gcra(10, 10 * S, burst=5)
    state = rules.new()
    assert taken(rules, state, 0, cost=4) == 0
    assert taken(rules, state, 0, cost=2) == S
    assert rules.left(state, 0)[0] == 1
    assert taken(rules, state, S, cost=2) == 0


def test_more_places_than_there_are_are_never_given():
    rules = Gcra(10, 10 * S, burst=5)
    state = rules.new()
    assert taken(rules, state, 0, cost=6) == NEVER
    assert rules.left(state, 0) == (5, 0)


def test_an_interval_that_is_no_whole_number_lets_no_call_too_many_through():
    rules = Gcra(70_000, S, burst=1)  # one in 14285.71… ns
    state = rules.new()
    passed = sum(not taken(rules, state, now_us) for now_us in range(S))
    assert 65_000 < passed <= 70_000


def test_a_shadow_that_overflows_is_as_full_as_can_be():
    rules = Gcra(10, 10 * S, burst=3)
    state = rules.new()
    for _ in range(1000):
        rules.count(state, 0, 1)
    rules.count(state, 0, 10**15)
    assert rules.left(state, 0) == (0, 3 * S)
    assert rules.wait_us(state, 0, 1) == S


def test_numbers_fit_a_double_whatever_the_limit():
    longest = 31 * 86_400 * S
    for requests in (1, 7, 10**9):
        rules = Gcra(requests, longest, burst=requests)
        state = rules.new()
        rules.count(state, 0, requests)
        assert state.at_ns < 2**53
