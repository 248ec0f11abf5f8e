from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.interceptors.retry.latency import STALE_SAMPLES, LatencyQuantile


def filled(quantile: float, durations: list[float], now: float = 1000.0) -> LatencyQuantile:
    latency = LatencyQuantile(quantile)
    for duration_s in durations:
        latency.add(duration_s, now)
    return latency


def test_nothing_is_told_before_there_are_enough_samples():
    latency = LatencyQuantile(0.99)
    for _ in range(99):
        latency.add(0.02, 1000.0)
        assert latency.value_s(1000.0) is None
    latency.add(0.02, 1000.0)
    assert latency.value_s(1000.0) is not None


@pytest.mark.parametrize(
    ("quantile", "exact_s"), [(0.5, 0.050), (0.9, 0.090), (0.99, 0.099), (0.9999, 0.100)]
)
def test_a_quantile_is_told_to_within_a_sixteenth(quantile, exact_s):
    latency = filled(quantile, [n / 1000 for n in range(1, 101)])
    told_s = latency.value_s(1000.0)
    assert told_s is not None
    assert exact_s <= told_s <= exact_s * 17 / 16 + 1e-12


@given(
    durations=st.lists(st.floats(1e-4, 1000), min_size=100, max_size=200),
    quantile=st.floats(0.5, 0.9999),
)
def test_what_is_told_is_never_shorter_than_the_quantile(durations, quantile):
    told_s = filled(quantile, durations).value_s(1000.0)
    assert told_s is not None
    rank = min(len(durations) - 1, int(quantile * len(durations) + 1e-9))
    lower, exact_s = sorted(durations)[max(0, rank - 1)], sorted(durations)[rank]
    assert lower <= told_s <= exact_s * 17 / 16 + 1e-12


@pytest.mark.parametrize(
    ("duration_s", "told_s"),
    [(0.0, 2.0**-14), (-1.0, 2.0**-14), (1e-9, 2.0**-14), (5000.0, 1024.0), (1e308, 1024.0)],
)
def test_what_is_out_of_range_counts_as_its_end(duration_s, told_s):
    told = filled(0.99, [duration_s] * 100).value_s(1000.0)
    assert told == pytest.approx(told_s, rel=1 / 16)


def test_older_windows_are_forgotten():
    latency = filled(0.9, [0.1] * 200)
    assert latency.value_s(1029.0) == pytest.approx(0.1, rel=1 / 16)
    for _ in range(200):
        latency.add(0.01, 1031.0)  # the next window; the first still counts
    assert latency.value_s(1031.0) == pytest.approx(0.1, rel=1 / 16)
    for _ in range(200):
        latency.add(0.01, 1062.0)  # and now no longer
    assert latency.value_s(1062.0) == pytest.approx(0.01, rel=1 / 16)


@pytest.mark.parametrize("later_s", [61, 120, 1e6])
def test_after_a_pause_nothing_is_known(later_s):
    assert filled(0.9, [0.1] * 200).value_s(1000.0 + later_s) is None


def test_the_quantile_follows_after_so_many_samples_and_is_kept_until_then():
    latency = filled(0.5, [0.01] * 100)
    assert latency.value_s(1000.0) == pytest.approx(0.01, rel=1 / 16)
    told = []
    for _ in range(STALE_SAMPLES * 3):
        latency.add(0.1, 1000.0)
        told.append(latency.value_s(1000.0))
    changed = [n for n, (a, b) in enumerate(pairwise(told), 2) if a != b]
    assert changed == [STALE_SAMPLES * 3]  # when most are 0.1: 101 of 200 is at the third


def test_room_is_bounded():
    latency = LatencyQuantile(0.99)
    for step in range(5000):
        latency.add(0.001 * step, 1000.0 + step)
    assert len(latency._current) == len(latency._before) == 384
