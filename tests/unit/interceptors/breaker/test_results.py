import pytest
from fakes.clock import FakeClock
from support.calls import answered, new_call, refused, reset

from gateway.core.errors import CallError, Origin, Reason, invalid_request
from gateway.core.errors import refused as turned_away
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.breaker import BreakerOptions, Result
from gateway.interceptors.breaker.results import read_outcome
from gateway.interceptors.deadline import deadline_exceeded

STATUSES = BreakerOptions().failure_http_statuses


def _upstream(reason, http_status=None):
    return CallError(Code.UNAVAILABLE, reason, "x", origin=Origin.UPSTREAM, http_status=http_status)


def test_an_outcome_without_an_error_is_a_success():
    assert read_outcome(SUCCESS, STATUSES) is Result.SUCCESS


@pytest.mark.parametrize("status", [502, 503, 504])
def test_declared_statuses_are_failures(status):
    assert read_outcome(failed(answered(status)), STATUSES) is Result.FAILURE


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 499])
def test_4xx_is_neither_success_nor_failure(status):
    assert read_outcome(failed(answered(status)), STATUSES) is Result.IGNORED_ANSWER


def test_other_statuses_are_failures_only_where_they_are_declared():
    outcome = failed(answered(500))
    assert read_outcome(outcome, STATUSES) is Result.IGNORED_ANSWER
    assert read_outcome(outcome, frozenset((500,))) is Result.FAILURE
    assert read_outcome(failed(answered(429)), frozenset((429,))) is Result.FAILURE
    assert read_outcome(failed(answered(503)), frozenset((500,))) is Result.IGNORED_ANSWER


@pytest.mark.parametrize(
    "reason",
    [
        Reason.UPSTREAM_UNRESOLVED,
        Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_TLS,
        Reason.UPSTREAM_RESET,
        Reason.ATTEMPT_TIMEOUT,
        Reason.STREAM_IDLE,
    ],
)
def test_no_answer_is_a_failure(reason):
    assert read_outcome(failed(_upstream(reason)), STATUSES) is Result.FAILURE


def test_connections_that_fail_or_break_are_failures():
    assert read_outcome(failed(refused()), STATUSES) is Result.FAILURE
    assert read_outcome(failed(reset()), STATUSES) is Result.FAILURE


@pytest.mark.parametrize(
    "error",
    [
        _upstream(Reason.UPSTREAM_INVALID_ANSWER, 200),
        _upstream(Reason.UPSTREAM_INVALID_ANSWER),
        _upstream(Reason.UPSTREAM_ANSWER_TOO_LARGE),
        _upstream(Reason.UPSTREAM_STATUS),
    ],
)
def test_an_answer_that_cannot_be_used_is_still_an_answer(error):
    assert read_outcome(failed(error), STATUSES) is Result.IGNORED_ANSWER


@pytest.mark.parametrize(
    "error",
    [
        turned_away(Code.UNAVAILABLE, Reason.BREAKER_OPEN, "x", retry_after_s=1),
        turned_away(Code.RESOURCE_EXHAUSTED, Reason.CONCURRENCY_LIMIT, "x", retry_after_s=1),
        turned_away(Code.UNAVAILABLE, Reason.NO_ENDPOINT, "x", retry_after_s=None),
        invalid_request("x"),
        deadline_exceeded(new_call(FakeClock()), 1, None),
        CallError(Code.DEADLINE_EXCEEDED, Reason.ATTEMPT_TIMEOUT, "x", origin=Origin.GATEWAY),
    ],
)
def test_what_the_gateway_or_the_caller_caused_is_not_heard(error):
    assert read_outcome(failed(error), STATUSES) is Result.IGNORED


def test_a_cancelled_attempt_is_not_heard():
    assert read_outcome(None, STATUSES) is Result.IGNORED


def test_the_kind_of_an_outcome_does_not_matter_its_error_does():
    outcome = Outcome(Kind.IGNORED, answered(503))
    assert read_outcome(outcome, STATUSES) is Result.FAILURE
