from dataclasses import replace

import pytest
from fakes.clock import FakeRng
from hypothesis import given
from hypothesis import strategies as st

from gateway.interceptors.retry import Jitter, RetryOptions
from gateway.interceptors.retry.backoff import backoff_s

IDEMPOTENT = RetryOptions(idempotent=True)


@pytest.mark.parametrize(
    ("jitter", "draw", "waits"),
    [
        (Jitter.FULL, 0.0, [0, 0, 0]),
        (Jitter.FULL, 1.0, [0.1, 0.2, 0.4]),
        (Jitter.EQUAL, 0.0, [0.05, 0.1, 0.2]),
        (Jitter.EQUAL, 1.0, [0.1, 0.2, 0.4]),
        (Jitter.NONE, 0.7, [0.1, 0.2, 0.4]),
        (Jitter.PROPORTIONAL, 0.0, [0.08, 0.16, 0.32]),
        (Jitter.PROPORTIONAL, 1.0, [0.12, 0.24, 0.48]),
        (Jitter.DECORRELATED, 0.0, [0.1, 0.1, 0.1]),
        (Jitter.DECORRELATED, 1.0, [0.3, 0.9, 2.0]),
    ],
)
def test_each_jitter_draws_as_its_name_says(jitter, draw, waits):
    options = replace(IDEMPOTENT, jitter=jitter)
    last, drawn = 0.0, []
    for retry in (1, 2, 3):
        last = backoff_s(options, retry, last, FakeRng([draw]))
        drawn.append(last)
    assert drawn == pytest.approx(waits)


def test_full_jitter_is_the_default_and_draws_from_nothing_up_to_the_capped_bound():
    options = RetryOptions(initial_backoff_s=0.1, max_backoff_s=0.3, multiplier=2.0)
    for draw in (0.0, 0.25, 0.999):
        waits = [backoff_s(options, retry, 0.0, FakeRng([draw])) for retry in (1, 2, 3, 9)]
        assert waits == pytest.approx([draw * bound for bound in (0.1, 0.2, 0.3, 0.3)])


@given(
    jitter=st.sampled_from(list(Jitter)),
    retry=st.integers(1, 5000),
    base=st.floats(0, 10),
    cap=st.floats(0.001, 60),
    multiplier=st.floats(1, 100),
    last=st.floats(0, 60),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_beyond_its_bound(jitter, retry, base, cap, multiplier, last, draw):
    options = RetryOptions(
        jitter=jitter, initial_backoff_s=base, max_backoff_s=cap, multiplier=multiplier
    )
    wait = backoff_s(options, retry, last, FakeRng([draw]))
    bound = cap * 1.2 if jitter is Jitter.PROPORTIONAL else cap
    assert 0 <= wait <= bound * (1 + 1e-9)
