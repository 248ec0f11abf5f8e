"""How long an answer is kept, and what may be done with it: each rule of freshness.py."""

import pytest

from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.interceptors.cache.directives import Directives
from gateway.interceptors.cache.freshness import CacheOptions, Life, Use, age_s, life_of, use_of
from gateway.state.answers import Entry


class Fixed:
    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


OPTIONS = CacheOptions(stale_while_revalidate_s=30, stale_if_error_s=300)


def life(
    said: Directives, *, options: CacheOptions = OPTIONS, can_ask: bool = False
) -> Life | None:
    return life_of(options, 60, said, Fixed(), can_ask=can_ask)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Directives(), Life(60, 30, 300)),
        (Directives(max_age_s=20), Life(20, 30, 300)),
        (Directives(max_age_s=600), Life(60, 30, 300)),
        (Directives(max_age_s=20, age_s=15), Life(5, 30, 300)),
        (Directives(max_age_s=20, age_s=25), Life(0, 30, 300)),
        (Directives(stale_while_revalidate_s=10, stale_if_error_s=20), Life(60, 10, 20)),
        (Directives(stale_while_revalidate_s=99, stale_if_error_s=999), Life(60, 30, 300)),
        (Directives(must_revalidate=True), Life(60, 0, 0)),
        (Directives(private=True), Life(60, 30, 300)),
        (Directives(no_store=True), None),
        (Directives(no_cache=True), None),
        (Directives(max_age_s=0, must_revalidate=True), None),
    ],
)
def test_what_the_upstream_says_shortens(said: Directives, expected: Life | None) -> None:
    assert life(said) == expected


def test_what_can_be_asked_for_is_kept_for_that() -> None:
    assert life(Directives(no_cache=True), can_ask=True) == Life(0, 0, 0, 60)
    assert life(Directives(must_revalidate=True), can_ask=True) == Life(60, 0, 0, 60)


def test_private_is_not_kept_for_all_callers() -> None:
    shared = CacheOptions(shared=True)
    assert life(Directives(private=True), options=shared) is None


def test_where_the_upstreams_word_does_not_count_no_store_still_does() -> None:
    own = CacheOptions(respect_headers=False, shared=True)
    said = Directives(private=True, no_cache=True, must_revalidate=True, max_age_s=1)
    assert life(said, options=own) == Life(60, 0, 0)
    assert life(said._replace(no_store=True), options=own) is None


def test_jitter_takes_a_share_off_the_ttl_and_adds_none() -> None:
    options = CacheOptions(jitter=0.2)
    lives = [life_of(options, 100, Directives(), Fixed(n / 10), can_ask=False) for n in range(11)]
    fresh = [found.fresh_s for found in lives if found is not None]
    assert fresh[0] == 100
    assert fresh[-1] == pytest.approx(80)
    assert fresh == sorted(fresh, reverse=True)


ENTRY = Entry(Landing(SUCCESS), 1000.0, 10, 5, 20, 30)


@pytest.mark.parametrize(
    ("age", "use"),
    [
        (-61, Use.NONE),
        (-60, Use.SERVE),
        (0, Use.SERVE),
        (9.9, Use.SERVE),
        (10, Use.SERVE_AND_REFRESH),
        (14.9, Use.SERVE_AND_REFRESH),
        (15, Use.ON_ERROR),
        (29.9, Use.ON_ERROR),
        (30, Use.ASK),
        (39.9, Use.ASK),
        (40, Use.NONE),
    ],
)
def test_what_may_be_done_with_an_entry(age: float, use: Use) -> None:
    assert use_of(ENTRY, 1000.0 + age) is use


def test_an_age_is_whole_seconds_and_never_below_zero() -> None:
    assert (age_s(ENTRY, 1003.9), age_s(ENTRY, 990)) == (3, 0)
    assert ENTRY.life_s == 40
