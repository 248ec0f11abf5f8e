import pytest
from support.calls import answered, refused, reset

from gateway.core.errors import Reason
from gateway.core.errors import refused as refused_by_us
from gateway.core.outcome import SUCCESS, failed
from gateway.core.status import Code
from gateway.interceptors.retry import HedgeOptions
from gateway.interceptors.retry.race import FIRST, Race

HEDGE = 1
OPEN = refused_by_us(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "open", retry_after_s=None)


def new_race() -> Race:
    return Race(HedgeOptions().retryable_http_statuses)


FATAL = [answered(404), answered(400), answered(500), answered(429)]
TRANSIENT = [answered(503), answered(429, 1.0), reset(), refused()]


@pytest.mark.parametrize("number", [FIRST, HEDGE])
@pytest.mark.parametrize("error", [None, *FATAL])
def test_a_success_and_a_fatal_end_decide(number, error):
    race = new_race()
    outcome = SUCCESS if error is None else failed(error)
    assert race.ended(number, outcome)
    assert (race.winner, race.outcome) == (number, outcome)


@pytest.mark.parametrize("number", [FIRST, HEDGE])
@pytest.mark.parametrize("error", TRANSIENT)
def test_a_transient_failure_waits_for_the_others(number, error):
    race = new_race()
    assert not race.ended(number, failed(error))
    assert race.ended(1 - number, SUCCESS)
    assert (race.winner, race.outcome) == (1 - number, SUCCESS)


def test_what_is_not_retryable_by_policy_is_fatal():
    race = Race(frozenset((502,)))
    assert race.ended(HEDGE, failed(answered(503)))


def test_a_refused_hedge_says_nothing():
    race = new_race()
    race.ended(FIRST, failed(reset()))
    assert not race.ended(HEDGE, failed(OPEN))
    assert race.outcome is not None
    assert race.outcome.error is not None
    assert race.outcome.error.reason is Reason.UPSTREAM_RESET


def test_a_refused_first_attempt_decides():
    assert new_race().ended(FIRST, failed(OPEN))


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
