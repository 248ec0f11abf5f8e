import sys

import pytest

from gateway.interceptors.retry import RetryBudget, RetryBudgetOptions


def taken(budget: RetryBudget, now: float) -> int:
    count = 0
    while budget.withdraw(now):
        count += 1
    return count


def test_without_calls_there_is_the_floor():
    assert taken(RetryBudget(RetryBudgetOptions()), 1000.0) == 30  # 3 a second, for 10 s


def test_calls_add_their_share():
    budget = RetryBudget(RetryBudgetOptions(share=0.2, min_per_s=0))
    for _ in range(104):
        budget.deposit(1000.0)
    assert budget.remaining(1000.0) == pytest.approx(20.8)
    assert taken(budget, 1000.0) == 20
    assert budget.remaining(1000.0) == pytest.approx(0.8)


def test_calls_of_the_window_count_and_older_ones_do_not():
    budget = RetryBudget(RetryBudgetOptions(share=1, min_per_s=0, window_s=10))
    budget.deposit(1000.5)
    assert budget.remaining(1010.4) == 1
    assert budget.remaining(1010.5) == 0


def test_withdrawals_come_back_once_the_window_has_left_them():
    budget = RetryBudget(RetryBudgetOptions(share=0, min_per_s=0.1, window_s=10))
    assert budget.withdraw(1000.9)
    assert not budget.withdraw(1010.9)  # ten seconds later, to the moment
    assert budget.withdraw(1011.0)


@pytest.mark.parametrize("pause_s", [1, 9, 10, 11, 12, 1000, 1e9])
def test_a_pause_of_any_length_leaves_nothing_wrong_behind(pause_s):
    budget = RetryBudget(RetryBudgetOptions(share=2, min_per_s=0, window_s=10))
    for second in range(25):
        budget.deposit(1000.0 + second)
        assert budget.withdraw(1000.0 + second)
    now = 1024.0 + pause_s
    in_window = max(0, 10 - pause_s)
    withdrawn = max(0, 11 - pause_s)
    assert budget.remaining(now) == max(0, 2 * in_window - withdrawn)
    for _ in range(5):
        budget.deposit(now)
    assert taken(budget, now) == max(0, 10 + 2 * in_window - withdrawn)


def test_a_budget_takes_no_more_room_however_much_it_counts():
    budget = RetryBudget(RetryBudgetOptions())
    before = len(budget._deposits) + len(budget._withdrawals)
    for step in range(5000):
        budget.deposit(1000.0 + step * 0.37)
        budget.withdraw(1000.0 + step * 0.37)
    assert len(budget._deposits) + len(budget._withdrawals) == before
    assert sys.getsizeof(budget._deposits) < 300


def test_steady_traffic_is_allowed_nearly_its_share():
    budget = RetryBudget(RetryBudgetOptions(share=0.2, min_per_s=0))
    granted = []
    for step in range(6000):  # 100 calls a second, for a minute, half of which fail
        now = 1000.0 + step / 100
        budget.deposit(now)
        if step % 2 and budget.withdraw(now):
            granted.append(now)
    lately = sum(now >= 1040.0 for now in granted)
    assert 0.9 * 400 <= lately <= 400
