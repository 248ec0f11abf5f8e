import pytest

from gateway.interceptors.pacing.growth import Growth


@pytest.mark.parametrize(
    ("after_s", "rate_per_s"),
    [(-1, 2), (0, 2), (1, 4), (2, 8), (3, 16), (4, 17.6), (13, 32)],
    ids=["held", "begins", "twice", "again", "threshold", "a tenth", "no more than that"],
)
def test_it_doubles_up_to_the_threshold_and_grows_by_a_tenth_of_it_from_there(after_s, rate_per_s):
    assert Growth(2, 100.0, 16).rate_per_s(100 + after_s) == pytest.approx(rate_per_s)


def test_it_grows_slowly_near_a_limit_and_as_ever_once_it_is_a_tenth_above():
    growth = Growth(90, 0.0, 90, limit_per_s=100)
    assert growth.rate_per_s(1) == pytest.approx(91.5)
    assert growth.rate_per_s(20 / 1.5) == pytest.approx(110)
    assert growth.rate_per_s(20 / 1.5 + 1) == pytest.approx(119)


def test_it_grows_still_more_slowly_near_a_small_limit():
    assert Growth(1.8, 0.0, 1.8, limit_per_s=2).rate_per_s(1) == pytest.approx(1.808)


def test_a_hold_keeps_the_rate_and_the_growth_goes_on_from_there():
    growth = Growth(2, 0.0, 16)
    growth.hold(5.0, 1.0)
    assert growth.rate_per_s(5) == 4
    assert growth.rate_per_s(6) == 8
    growth.hold(5.5, 6.0)  # over already
    assert growth.rate_per_s(7) == 16


def test_a_shorter_hold_ends_no_longer_one():
    growth = Growth(2, 0.0, 16)
    growth.hold(5.0, 0.0)
    growth.hold(3.0, 0.0)
    assert growth.rate_per_s(5) == 2
