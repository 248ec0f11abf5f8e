"""Sending a failed attempt again (gRFC A6, AIP-194).

Rules:
1. Never after a message of the answer has gone to the caller.
2. Never the caller's own mistakes or the gateway's own rejections.
3. What never reached the upstream, or was refused by it (429), is always safe.
4. What may have reached it (a reset, an attempt timeout, an error answer whose
   status is retryable) only where the method is idempotent.
5. 429 only when the answer says when to come back.
6. The wait is drawn from the backoff's jitter, and never shorter than the
   upstream's Retry-After; one beyond `max_retry_after_s` is not waited for.
7. A retry that cannot finish is not begun: when the wait reaches the deadline the
   failure is told now, with its delay.
8. `max_attempts` counts the first.
9. A client stream of which more than the first message was asked for is never sent
   again: the messages are gone. The first is kept, so that a connection that never came
   to be, and a stream of one message, are tried again like any other.
"""

import enum
from dataclasses import dataclass, replace

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import Events, RetryGivenUp, RetryScheduled
from gateway.core.outcome import Outcome


class Jitter(enum.Enum):
    """How a wait is drawn under its bound; see seawall.policy.v1.RetryPolicy.Jitter."""

    FULL = 1
    EQUAL = 2
    NONE = 3
    PROPORTIONAL = 4
    DECORRELATED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryOptions:
    """Seconds and counts; see seawall.policy.v1.RetryPolicy.

    `idempotent` is the method's: whether a request whose effect is unknown may be
    sent again.
    """

    max_attempts: int = 3
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 2.0
    multiplier: float = 2.0
    jitter: Jitter = Jitter.FULL
    retryable_http_statuses: frozenset[int] = frozenset((429, 502, 503, 504))
    max_retry_after_s: float = 10.0
    idempotent: bool = False


def backoff_s(options: RetryOptions, retry: int, last_s: float, rng: Rng) -> float:
    """Return the wait before the `retry`-th retry (from 1), in seconds.

    Args:
        options: base, bound, growth and jitter.
        retry: which retry it is.
        last_s: the wait before the one before, for DECORRELATED; 0 at first.
        rng: draws.
    """
    base, cap = options.initial_backoff_s, options.max_backoff_s
    try:
        bound = min(cap, base * options.multiplier ** (retry - 1))
    except OverflowError:
        bound = cap
    match options.jitter:
        case Jitter.FULL:
            return rng.random() * bound
        case Jitter.EQUAL:
            return bound / 2 + rng.random() * bound / 2
        case Jitter.NONE:
            return bound
        case Jitter.PROPORTIONAL:
            return bound * (0.8 + 0.4 * rng.random())
        case Jitter.DECORRELATED:
            return min(cap, base + rng.random() * max(0.0, max(last_s, base) * 3 - base))


@dataclass(frozen=True, slots=True)
class Decision:
    """Wait `delay_s` and try again, or give up because of `why`.

    `why` is empty where a repetition was never in question.
    """

    delay_s: float | None
    why: str = ""


_NO = Decision(None)
_SAFE = (Sent.NOT_SENT, Sent.REFUSED)


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
    """
    if not _repeatable(options, error):
        return _NO
    if sent:
        return Decision(None, "part of the answer was already delivered")
    if spent:
        return Decision(None, "part of the caller's stream was already sent")
    if error.sent not in _SAFE and not options.idempotent:
        return Decision(None, "the method is not idempotent and the upstream may have acted")
    if attempts >= options.max_attempts:
        return Decision(None, f"all {options.max_attempts} attempts are spent")
    delay_s = drawn_s
    if error.retry_after_s is not None:
        if error.retry_after_s > options.max_retry_after_s:
            return Decision(None, "the upstream asked for a longer wait than is allowed")
        delay_s = max(delay_s, error.retry_after_s)
    if now + delay_s >= deadline_at:
        return Decision(None, "the deadline would pass before the next attempt")
    return Decision(delay_s)


def _repeatable(options: RetryOptions, error: CallError) -> bool:
    if error.origin is not Origin.UPSTREAM:
        return False
    status = error.http_status
    if error.reason is Reason.UPSTREAM_STATUS and status is not None:
        if status not in options.retryable_http_statuses:
            return False
        return status != 429 or error.retry_after_s is not None
    return error.transient


class RetryInterceptor:
    """Repeats attempts by the rules above."""

    name = "retry"

    def __init__(self, options: RetryOptions, clock: Clock, rng: Rng, events: Events) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make attempts until one succeeds or none is left to make."""
        last_s = 0.0
        while True:
            outcome = await call_next(call)
            error = outcome.error
            if error is None:
                return outcome
            drawn_s = backoff_s(self._options, call.attempts, last_s, self._rng)
            decision = decide(
                self._options,
                error,
                attempts=call.attempts,
                sent=call.sent,
                now=self._clock.now(),
                deadline_at=call.deadline_at,
                drawn_s=drawn_s,
                spent=call.requests_spent,
            )
            if decision.delay_s is None:
                if decision.why:
                    self._events.emit(RetryGivenUp(call, call.attempts, outcome, decision.why))
                    outcome = _told(outcome, decision.why)
                return outcome
            self._events.emit(RetryScheduled(call, call.attempts, outcome, decision.delay_s))
            last_s = drawn_s
            await self._clock.sleep(decision.delay_s)


def _told(outcome: Outcome, why: str) -> Outcome:
    error = outcome.error
    assert error is not None
    return Outcome(outcome.kind, replace(error, message=f"{error.message}; {why}"))
