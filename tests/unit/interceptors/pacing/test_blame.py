import pytest

from gateway.interceptors.pacing.blame import Blame, Finding

RATE, OTHERS = Finding.RATE, Finding.OTHERS


def proven(blame: Blame, now: float = 0.0, share: float = 0.1) -> Finding:
    blame.find(share, 100, None, now)
    blame.find(share, 60, 60, now)
    return blame.find(share, 40, 40, now)


def test_two_lessons_that_are_the_same_again_prove_that_the_rate_is_not_to_blame():
    blame = Blame()
    found = [blame.find(0.1, *rates, 0.0) for rates in [(100, None), (60, 60), (40, 40)]]
    assert found == [RATE, RATE, OTHERS]
    assert blame.sent_per_s == 100


@pytest.mark.parametrize(
    ("share", "rate_per_s", "found"),
    [(0.1, 40, OTHERS), (0.04, 40, RATE), (0.1, 59, RATE), (0.6, 40, RATE)],
    ids=["same", "fewer", "grown back", "as a whole"],
)
def test_the_second_proof_must_be_the_same_at_a_lower_rate(share, rate_per_s, found):
    blame = Blame()
    blame.find(0.1, 100, None, 0.0)
    blame.find(0.1, 60, 60, 0.0)
    assert blame.find(share, rate_per_s, rate_per_s, 0.0) is found


@pytest.mark.parametrize(("share", "found"), [(0.2, OTHERS), (0.5, RATE)])
def test_at_the_lowest_rate_one_lesson_is_a_proof(share, found):
    blame = Blame()
    blame.find(0.2, 100, None, 0.0)
    assert blame.find(share, 100, 100, 0.0, lowest=True) is found


@pytest.mark.parametrize(("share", "least"), [(0.02, 0.1), (0.1, 0.2), (0.4, 0.5)])
def test_twice_the_excused_share_is_a_lesson_and_half_in_any_case(share, least):
    blame = Blame()
    assert blame.least_share(0.1, 0.0) == 0.1
    assert proven(blame, share=share) is OTHERS
    assert blame.least_share(0.1, 0.0) == pytest.approx(least)


def test_an_excuse_holds_longer_each_time_it_is_needed_soon():
    blame, now = Blame(), 0.0
    for lasts_s in (60, 120, 240, 480, 900, 900):
        proven(blame, now)
        assert blame.excuses(now + lasts_s - 1)
        assert not blame.excuses(now + lasts_s)
        now += lasts_s + 5
    now += 1000
    proven(blame, now)
    assert not blame.excuses(now + 60)
