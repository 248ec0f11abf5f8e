"""Whether a failed attempt is sent again (gRFC A6, AIP-194).

Rules:
1. Never after a message of the answer has gone to the caller.
2. Never the caller's own mistakes or the gateway's own rejections.
3. What never reached the upstream, or was refused by it (429), is always safe.
4. What may have reached it (a reset, an attempt timeout, an error answer whose
   status is retryable) only where the method is idempotent.
5. 429 only when the answer says when to come back.
6. The wait is drawn from the backoff's jitter. The upstream's Retry-After comes on top
   of it: all who were told the same would otherwise come back in the same instant. One
   beyond `max_retry_after_s` is not waited for.
7. A retry that cannot finish is not begun: when the wait reaches the deadline the
   failure is told now, with its delay. Of the time that a Retry-After leaves before the
   deadline the drawn wait takes half at most: it never costs the retry.
8. `max_attempts` counts the first, and hedges too.
9. A client stream of which more than the first message was asked for is never sent
   again: the messages are gone. The first is kept, so that a connection that never came
   to be, and a stream of one message, are tried again like any other.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.interceptors.retry.options import RetryOptions


@dataclass(frozen=True, slots=True)
class Decision:
    """Wait `delay_s` and try again, or give up because of `why`.

    Args:
        delay_s: seconds; None to give up.
        why: a short phrase, empty where a repetition was never in question.
        spent: the attempts, or the budget, are used up: the caller should not retry either.
    """

    delay_s: float | None
    why: str = ""
    spent: bool = False


EMPTY_BUDGET = Decision(None, "the retry budget is empty", spent=True)
_NO = Decision(None)
_SAFE = (Sent.NOT_SENT, Sent.REFUSED)
_OF_STATUSES = (Reason.UPSTREAM_STATUS, Reason.CREDENTIAL_UNAVAILABLE)
"""Reasons of answers, whose statuses say whether they are worth another attempt."""


def decide(
    options: RetryOptions,
    error: CallError,
    *,
    attempts: int,
    sent: int,
    now: float,
    deadline_at: float,
    drawn_s: float,
    spent: bool = False,
    repeatable_call: bool = False,
) -> Decision:
    """Return whether a failed attempt is repeated, and after how long.

    Args:
        options: of the method.
        error: how the attempt ended.
        attempts: made so far.
        sent: messages already handed to the caller.
        now: monotonic seconds.
        deadline_at: of the call.
        drawn_s: the backoff drawn for this retry.
        spent: messages of the caller's stream are gone.
        repeatable_call: the upstream knows the call again, by its idempotency key.
    """
    if not repeatable(error, options.retryable_http_statuses):
        return _NO
    if sent:
        return Decision(None, "part of the answer was already delivered")
    if spent:
        return Decision(None, "part of the caller's stream was already sent")
    if error.sent not in _SAFE and not (options.idempotent or repeatable_call):
        return Decision(None, "the method is not idempotent and the upstream may have acted")
    if attempts >= options.max_attempts:
        counted = f"all {attempts} attempts are" if attempts > 1 else "the only attempt is"
        return Decision(None, f"{counted} spent", spent=True)
    delay_s = drawn_s
    if error.retry_after_s is not None:
        if error.retry_after_s > options.max_retry_after_s:
            return Decision(None, "the upstream asked for a longer wait than is allowed")
        room_s = max(0.0, deadline_at - now - error.retry_after_s)
        delay_s = error.retry_after_s + min(drawn_s, room_s / 2)
    if now + delay_s >= deadline_at:
        return Decision(None, "the deadline would pass before the next attempt")
    return Decision(delay_s)


def repeatable(error: CallError, retryable_http_statuses: AbstractSet[int]) -> bool:
    """Tell whether an equal attempt might succeed, safety left aside.

    Args:
        error: how an attempt ended.
        retryable_http_statuses: error answers that are worth another attempt.
    """
    if error.origin is not Origin.UPSTREAM:
        return False
    status = error.http_status
    if error.reason in _OF_STATUSES and status is not None:
        if status not in retryable_http_statuses:
            return False
        return status != 429 or error.retry_after_s is not None
    return error.transient


def refused_by_gateway(error: CallError) -> bool:
    """Tell whether the gateway did not let an attempt through (breaker, limits, endpoints)."""
    return error.origin is Origin.GATEWAY and error.sent is Sent.NOT_SENT
