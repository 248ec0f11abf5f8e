import pytest

from gateway.interceptors.pacing.decrease import lower
from gateway.interceptors.pacing.growth import Growth


def again(before: Growth | None, through: float, share: float, now: float = 2.0, **more) -> Growth:
    sent = more.get("sent", 40.0)
    return lower(before, through, sent, share, more.get("lasting", 100.0), now)


def test_the_first_lesson_sets_the_threshold_to_two_thirds_of_what_was_sent():
    first = again(None, 30, 0.25)
    assert first.began_per_s == pytest.approx(20)
    assert first.threshold_per_s == pytest.approx(40 * 2 / 3)
    assert first.limit_per_s == 0


@pytest.mark.parametrize(("sent", "rate_per_s"), [(40.0, 1.0), (0.6, 0.4)])
def test_the_rate_is_not_below_one_if_so_much_was_sent(sent, rate_per_s):
    assert again(None, 0.1, 0.9, sent=sent).began_per_s == pytest.approx(rate_per_s)


def test_no_lesson_of_the_same_trouble_forgets_what_was_sent_before():
    growth = again(None, 40, 0.1, now=0.0)
    for second in range(1, 50):
        growth.hold(60.0, second - 1.0)
        growth = again(growth, 0.1, 1.0, now=float(second), sent=growth.began_per_s)
    assert growth.threshold_per_s == pytest.approx(40 * 2 / 3)
    assert growth.began_per_s == pytest.approx(40 * 2 / 3 / 8)


def test_a_trouble_that_lasts_halves_the_threshold_once_a_minute():
    growth = Growth(16, 0.0, 80)
    found = []
    for now in (59.0, 60.0, 119.0, 120.0):
        growth.hold(200.0, 0.0)
        growth = again(growth, 1, 1.0, now=now, sent=growth.began_per_s)
        found.append(growth.threshold_per_s)
    assert found == [80, 40, 40, 20]


def test_a_limit_is_found_where_a_rate_that_grew_is_refused_a_little():
    found = again(Growth(20, 0.0, 40), 30, 0.2)
    assert found.limit_per_s == 30
    assert found.threshold_per_s == pytest.approx(27)
    assert found.began_per_s == pytest.approx(20)


def test_a_limit_is_little_more_than_what_got_through_in_ten_seconds():
    assert again(Growth(20, 0.0, 40), 30, 0.2, lasting=20.0).limit_per_s == pytest.approx(21)


@pytest.mark.parametrize(
    ("rate_per_s", "share"), [(40, 0.2), (28, 0.3)], ids=["did not grow", "many refused"]
)
def test_nothing_else_finds_a_limit(rate_per_s, share):
    found = again(Growth(rate_per_s, 0.0, 40), 20, share, now=0.5)
    assert (found.limit_per_s, found.threshold_per_s) == (0, 40)


@pytest.mark.parametrize(("through", "threshold"), [(10, 20), (30, 30), (50, 40)])
def test_a_threshold_that_was_too_high_is_halved_but_not_below_what_got_through(through, threshold):
    assert again(Growth(20, 0.0, 40), through, 0.6).threshold_per_s == threshold


def test_a_limit_that_was_found_is_kept_in_the_trouble_after_it():
    assert again(Growth(20, 0.0, 27, limit_per_s=30), 5, 1.0, now=0.1).limit_per_s == 30
