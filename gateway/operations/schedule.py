"""What comes after an attempt of an operation. Pure.

Rules:
1. A success is the end. So is a failure that no other attempt would mend: the upstream decided
   (4xx, but those of `_NOT_ACTED_ON`), the request cannot be sent, or the upstream did what it
   was asked and its answer cannot be read.
2. After any other failure it waits: `initial_delay`, then `multiplier` times as long each time,
   at most `max_delay`, and up to a tenth more at random where delays grow; never less than the
   upstream asked for, where that is at most an hour.
3. An attempt that was not sent, because something in the gateway did not let it through, does
   not count. One whose effect nobody knows and nobody may ask does: only an operator helps.
4. The last attempt, and `total_timeout`, make a dead letter.
"""

from typing import Final, NamedTuple

from gateway.core.clock import Rng
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.status import Code
from gateway.operations.options import Schedule
from gateway.state.operations import State

_NOT_ACTED_ON: Final = frozenset((401, 403, 408, 421, 425, 429))
_FINAL_CODES: Final = frozenset(
    (
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.ALREADY_EXISTS,
        Code.FAILED_PRECONDITION,
        Code.OUT_OF_RANGE,
        Code.UNIMPLEMENTED,
    )
)
_FINAL_REASONS: Final = frozenset(
    (Reason.UPSTREAM_INVALID_ANSWER, Reason.UPSTREAM_ANSWER_TOO_LARGE)
)
_LONGEST_ASKED_S: Final = 3600.0
_SPREAD: Final = 0.1


class Next(NamedTuple):
    """What comes next.

    Args:
        state: of the operation.
        error: what it answers, where it ends without a success.
        due_in_s: until the next attempt, where it waits.
        uncounted: the attempt does not count.
    """

    state: State
    error: CallError | None = None
    due_in_s: float = 0.0
    uncounted: bool = False


def after(
    error: CallError | None,
    schedule: Schedule,
    *,
    attempts: int,
    sent: bool,
    age_s: float,
    rng: Rng,
) -> Next:
    """Return what comes after an attempt.

    Args:
        error: how it failed, None for a success.
        schedule: of the method.
        attempts: that count, with this one.
        sent: whether anything was sent in this one.
        age_s: since the operation was accepted.
        rng: spreads delays.
    """
    if error is None:
        return Next(State.SUCCEEDED)
    if _is_final(error):
        return Next(State.FAILED, error)
    uncounted = not sent and error.reason is not Reason.OUTCOME_UNKNOWN
    due_in_s = delay_s(schedule, max(1, attempts - uncounted), error.retry_after_s, rng)
    if age_s + due_in_s > schedule.total_timeout_s:
        return Next(State.DEAD, spent(error, attempts - uncounted, schedule.total_timeout_s))
    if not uncounted and attempts >= schedule.max_attempts:
        return Next(State.DEAD, spent(error, attempts, None))
    return Next(State.WAITING, error, due_in_s, uncounted)


def _is_final(error: CallError) -> bool:
    if error.reason in _FINAL_REASONS:
        return True
    status = error.http_status
    if error.origin is Origin.UPSTREAM and status is not None:
        return 400 <= status < 500 and status not in _NOT_ACTED_ON
    return error.code in _FINAL_CODES


def delay_s(schedule: Schedule, attempts: int, asked_s: float | None, rng: Rng) -> float:
    """Return how long to wait after so many attempts, in seconds."""
    grown_s = schedule.initial_delay_s
    for _ in range(min(attempts - 1, 1000)):
        grown_s *= schedule.multiplier
        if grown_s >= schedule.max_delay_s:
            break
    wait_s = min(grown_s, schedule.max_delay_s)
    if schedule.multiplier > 1:
        wait_s *= 1 + _SPREAD * rng.random()
    return max(wait_s, min(asked_s or 0.0, _LONGEST_ASKED_S))


def spent(error: CallError, attempts: int, total_s: float | None) -> CallError:
    """Return the error of a dead letter.

    Args:
        error: of the last attempt.
        attempts: that were made.
        total_s: for how long it was tried, where that is what ended it.
    """
    how = "once" if attempts == 1 else f"{attempts} times"
    within = "" if total_s is None else f" within {total_s:g} s"
    return CallError(
        error.code,
        Reason.ATTEMPTS_SPENT,
        f"the operation was tried {how}{within} and given up; the last attempt: {error.message}",
        origin=error.origin,
        sent=error.sent,
        http_status=error.http_status,
        upstream=error.upstream,
        violations=error.violations,
    )
