import pytest
from support.calls import answered, refused, reset

from gateway.core.errors import Reason
from gateway.core.errors import refused as refused_by_us
from gateway.core.outcome import SUCCESS, failed
from gateway.core.status import Code
from gateway.interceptors.retry import HedgeOptions
from gateway.interceptors.retry.race import _EFFECTS, FIRST, Race, _End

HEDGE = 1
OPEN = refused_by_us(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "open", retry_after_s=None)


def new_race(*, reads_only: bool = True) -> Race:
    return Race(HedgeOptions(reads_only=reads_only))


ABOUT_REQUEST = [answered(404), answered(400), answered(412)]
FATAL = [answered(500), answered(429), answered(408), answered(301), OPEN]
TRANSIENT = [answered(503), answered(429, 1.0), reset(), refused()]


def test_the_table_speaks_of_every_end():
    both = (True, False)
    assert set(_EFFECTS) == {(r, f, end) for r in both for f in both for end in _End}


@pytest.mark.parametrize("reads_only", [True, False])
@pytest.mark.parametrize("number", [FIRST, HEDGE])
def test_a_success_decides(number, reads_only):
    race = new_race(reads_only=reads_only)
    assert race.ended(number, SUCCESS)
    assert (race.winner, race.outcome) == (number, SUCCESS)


@pytest.mark.parametrize("number", [FIRST, HEDGE])
@pytest.mark.parametrize("error", ABOUT_REQUEST)
def test_an_answer_about_the_request_decides(number, error):
    race, outcome = new_race(), failed(error)
    assert race.ended(number, outcome)
    assert (race.winner, race.outcome) == (number, outcome)


@pytest.mark.parametrize("error", FATAL)
def test_a_fatal_end_of_the_first_attempt_decides(error):
    assert new_race().ended(FIRST, failed(error))


@pytest.mark.parametrize("reads_only", [True, False])
@pytest.mark.parametrize("error", FATAL)
def test_a_hedges_other_fatal_end_says_nothing(error, reads_only):
    race, first = new_race(reads_only=reads_only), failed(reset())
    assert not race.ended(HEDGE, failed(error))
    assert race.outcome is None
    race.ended(FIRST, first)
    assert not race.ended(2, failed(error))
    assert (race.winner, race.outcome) == (FIRST, first)


@pytest.mark.parametrize("reads_only", [True, False])
@pytest.mark.parametrize("number", [FIRST, HEDGE])
@pytest.mark.parametrize("error", TRANSIENT)
def test_a_transient_failure_waits_for_the_others(number, error, reads_only):
    race = new_race(reads_only=reads_only)
    assert not race.ended(number, failed(error))
    assert not race.stands
    assert race.ended(1 - number, SUCCESS)
    assert (race.winner, race.outcome) == (1 - number, SUCCESS)


def test_what_is_not_retryable_by_policy_is_fatal():
    options = HedgeOptions(retryable_http_statuses=frozenset((502,)), reads_only=True)
    assert Race(options).ended(FIRST, failed(answered(503)))


# Side effects


@pytest.mark.parametrize("error", ABOUT_REQUEST)
def test_a_hedge_that_may_have_seen_the_first_attempts_effect_does_not_decide(error):
    race = new_race(reads_only=False)
    assert not race.ended(HEDGE, failed(error))
    assert race.ended(FIRST, SUCCESS)
    assert (race.winner, race.outcome) == (FIRST, SUCCESS)


@pytest.mark.parametrize("error", [*ABOUT_REQUEST, *FATAL])
def test_a_first_attempt_that_may_have_seen_a_hedges_effect_does_not_decide(error):
    race = new_race(reads_only=False)
    assert not race.ended(FIRST, failed(error))
    assert race.stands
    assert race.ended(HEDGE, SUCCESS)
    assert (race.winner, race.outcome) == (HEDGE, SUCCESS)


@pytest.mark.parametrize("hedge", [*ABOUT_REQUEST, *FATAL, *TRANSIENT])
@pytest.mark.parametrize("hedge_first", [True, False])
def test_the_first_attempts_fatal_end_stands_before_any_failure_of_a_hedge(hedge, hedge_first):
    race, first = new_race(reads_only=False), failed(answered(404))
    ends = [(FIRST, first), (HEDGE, failed(hedge))]
    for number, outcome in reversed(ends) if hedge_first else ends:
        assert not race.ended(number, outcome)
    assert (race.winner, race.outcome, race.stands) == (FIRST, first, True)


# Both


def test_what_is_decided_stays_so():
    race = new_race()
    race.ended(HEDGE, SUCCESS)
    assert not race.ended(FIRST, failed(answered(404)))
    assert not race.ended(2, SUCCESS)
    assert (race.winner, race.outcome) == (HEDGE, SUCCESS)


def test_the_last_failure_stands_for_all():
    race = new_race()
    race.ended(HEDGE, failed(answered(503)))
    last = failed(reset())
    race.ended(FIRST, last)
    assert (race.decided, race.winner, race.outcome) == (False, FIRST, last)
