"""What an attempt says about its upstream: success, failure, or nothing.

Rules:
1. An outcome without an error is a success.
2. A failure is an answer with one of `failure_http_statuses`, or no answer: the upstream
   could not be reached, broke the connection, or let the time run out.
3. Every other error of the upstream is an answer that is ignored: a 4xx, a 500 that is not
   declared a failure, a body that is not what the method declares.
4. What the gateway or the caller caused is ignored, and so is an attempt that was cancelled.
"""

import enum

from gateway.core.errors import Origin, Reason
from gateway.core.outcome import Outcome


class Result(enum.Enum):
    """What an attempt says about its upstream."""

    SUCCESS = enum.auto()
    FAILURE = enum.auto()
    IGNORED_ANSWER = enum.auto()
    """It answered, and that says nothing."""
    IGNORED = enum.auto()
    """It was not heard."""


# Members are looked up through their class slowly, and these are needed in every call.
_SUCCESS, _UPSTREAM = Result.SUCCESS, Origin.UPSTREAM
_UNANSWERED = frozenset(
    (
        Reason.UPSTREAM_UNRESOLVED,
        Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_TLS,
        Reason.UPSTREAM_RESET,
        Reason.ATTEMPT_TIMEOUT,
        Reason.STREAM_IDLE,
    )
)


def read_outcome(outcome: Outcome | None, failure_http_statuses: frozenset[int]) -> Result:
    """Return what an outcome says.

    Args:
        outcome: how an attempt ended; None where it was cancelled.
        failure_http_statuses: answers that are failures.
    """
    if outcome is None:
        return Result.IGNORED
    error = outcome.error
    if error is None:
        return _SUCCESS
    if error.origin is not _UPSTREAM:
        return Result.IGNORED
    status = error.http_status
    failed = error.reason in _UNANSWERED if status is None else status in failure_http_statuses
    return Result.FAILURE if failed else Result.IGNORED_ANSWER
