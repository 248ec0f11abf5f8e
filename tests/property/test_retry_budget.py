"""The law of the retry budget, for any calls and retries in any order of time."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.interceptors.retry import RetryBudget, RetryBudgetOptions

WINDOW_S = 10.0
STEPS = st.lists(
    st.tuples(
        # Sixteenths of a second, so that sums are exact; now and then a long pause.
        st.integers(0, 40) | st.integers(0, 4000),
        st.sampled_from(["deposit", "withdraw"]),
        st.integers(1, 12),
    ),
    max_size=60,
)
SHARES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])
FLOORS = st.sampled_from([0.0, 0.125, 0.25, 1.0, 3.0])


def history(share, min_per_s, steps):
    """Run `steps`; return the moments of deposits and of withdrawals that were granted."""
    budget = RetryBudget(RetryBudgetOptions(share=share, min_per_s=min_per_s, window_s=WINDOW_S))
    now = 1000.0
    deposits, withdrawals, refusals = [], [], []
    for sixteenths, kind, count in steps:
        now += sixteenths / 16
        for _ in range(count):
            if kind == "deposit":
                budget.deposit(now)
                deposits.append(now)
            elif budget.withdraw(now):
                withdrawals.append(now)
            else:
                refusals.append((now, len(withdrawals)))
    return deposits, withdrawals, refusals


def between(moments, begin, end):
    return sum(begin <= moment <= end for moment in moments)


@settings(max_examples=300, deadline=None)
@given(share=SHARES, min_per_s=FLOORS, steps=STEPS)
def test_at_each_withdrawal_the_window_behind_it_keeps_the_law(share, min_per_s, steps):
    deposits, withdrawals, _ = history(share, min_per_s, steps)
    for number, now in enumerate(withdrawals, 1):
        taken = between(withdrawals[:number], now - WINDOW_S, now)
        calls = between(deposits, now - WINDOW_S, now)
        assert taken <= share * calls + min_per_s * WINDOW_S


@settings(max_examples=300, deadline=None)
@given(share=SHARES, min_per_s=FLOORS, steps=STEPS, begin=st.integers(0, 4000))
def test_any_window_keeps_the_law_with_the_calls_of_the_window_before_it(
    share, min_per_s, steps, begin
):
    deposits, withdrawals, _ = history(share, min_per_s, steps)
    begin_at = 1000.0 + begin / 16
    taken = between(withdrawals, begin_at, begin_at + WINDOW_S)
    calls = between(deposits, begin_at - WINDOW_S, begin_at + WINDOW_S)
    assert taken <= share * calls + min_per_s * WINDOW_S


@settings(max_examples=300, deadline=None)
@given(share=SHARES, min_per_s=FLOORS, steps=STEPS)
def test_nothing_is_refused_that_the_law_allows_by_a_twentieth_of_a_window(share, min_per_s, steps):
    deposits, withdrawals, refusals = history(share, min_per_s, steps)
    bucket_s = WINDOW_S / 20
    for now, taken_before in refusals:
        taken = between(withdrawals[:taken_before], now - WINDOW_S - bucket_s, now)
        begin = now - WINDOW_S + bucket_s
        calls = between((d for d in deposits if d < now), begin, math.inf)
        assert taken + 1 > share * calls + min_per_s * WINDOW_S


@settings(max_examples=200, deadline=None)
@given(share=SHARES, min_per_s=FLOORS, steps=STEPS)
def test_what_remains_can_be_taken_and_no_more(share, min_per_s, steps):
    budget = RetryBudget(RetryBudgetOptions(share=share, min_per_s=min_per_s, window_s=WINDOW_S))
    now = 1000.0
    for sixteenths, kind, count in steps:
        now += sixteenths / 16
        for _ in range(count):
            budget.deposit(now) if kind == "deposit" else budget.withdraw(now)
    remaining = budget.remaining(now)
    granted = 0
    while budget.withdraw(now):
        granted += 1
    assert granted == int(remaining)
