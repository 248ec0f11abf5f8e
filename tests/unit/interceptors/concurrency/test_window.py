from math import log

import pytest

from gateway.interceptors.concurrency.window import Window


def window_of(*times: float, weight: float = 1.0) -> Window:
    window = Window(0.0)
    for time in times:
        window.add(log(time), weight, 0.1)
    return window


def test_an_empty_window_says_nothing():
    window = Window(0.0)
    assert window.crowding() is None
    assert (window.count, window.evidence, window.mean_s, window.drop_share) == (0, 0, 0, 0)


def test_the_level_is_the_mean_of_logarithms():
    level = window_of(2.0, 8.0).crowding()
    assert level is not None
    assert level.value == pytest.approx(log(4.0))


def test_one_spike_among_twenty_is_no_crowding():
    level = window_of(*[1.0] * 19, 20.0).crowding()
    assert level is not None
    assert level.value < log(1.2)


def test_more_samples_are_known_better():
    few, many = window_of(1.0, 3.0).crowding(), window_of(*[1.0, 3.0] * 20).crowding()
    assert few is not None
    assert many is not None
    assert many.variance < few.variance / 10


def test_equal_samples_are_not_believed_to_be_exact():
    level = window_of(*[1.0] * 4).crowding()
    assert level is not None
    assert level.variance > 0


def test_a_heavy_sample_counts_more_and_evidence_tells():
    window = window_of(1.0, 1.0, 1.0)
    window.add(log(4.0), 3.0, 0.1)
    level = window.crowding()
    assert level is not None
    assert level.value == pytest.approx(log(4.0) / 2)
    assert window.evidence == pytest.approx(3.0)


def test_samples_of_methods_that_are_not_known_tell_only_that_they_were():
    window = window_of(5.0, weight=0.0)
    assert window.crowding() is None
    assert window.answers == 1
    assert window.mean_s == pytest.approx(0.1)


def test_drops_are_a_share_of_all():
    window = window_of(1.0, 1.0, 1.0)
    window.drops = 1
    assert window.drop_share == 0.25
    assert window.dropping().value == pytest.approx(log(0.25))
    assert window_of(1.0).dropping().value == pytest.approx(log(0.01))  # never minus infinity
