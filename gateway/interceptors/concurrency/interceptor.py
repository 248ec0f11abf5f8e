"""Where attempts meet the limit of their upstream, and calls are shed before they are decoded.

`ConcurrencyInterceptor` stands behind retry, hedge and breaker, so that each attempt takes a
place of its own and none is held through a backoff. `ShedInterceptor` stands before decode:
what cannot even wait costs no decoding. It must not stand before what could answer without
the upstream (a cache, a fallback).
"""

from gateway.core.call import Call, CallNext, Preparation
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.concurrency.limiter import ConcurrencyLimiter
from gateway.interceptors.concurrency.places import Verdict

_OVERLOADED = frozenset((429, 503, 504))
_MECHANISM = "concurrency"


def verdict_of(outcome: Outcome) -> Verdict:
    """Return what an attempt's outcome says about the limit.

    An answer of 4xx took its time like any other. A connection that failed, a 500 and
    the gateway's own refusals took a time of their own.
    """
    error = outcome.error
    if error is None:
        return Verdict.OK
    if error.origin is not Origin.UPSTREAM:
        return Verdict.IGNORED
    status = error.http_status
    if error.reason is Reason.ATTEMPT_TIMEOUT or status in _OVERLOADED:
        return Verdict.OVERLOADED
    answered = status is not None and 400 <= status < 500 and status != 408
    return Verdict.OK if answered else Verdict.IGNORED


def _refuse(events: Events, call: Call, error: CallError) -> Outcome:
    events.emit(CallRefused(call, _MECHANISM, error))
    return failed(error)


class ConcurrencyInterceptor:
    """Lets an attempt go on when it has a place."""

    name = "concurrency"

    def __init__(self, limiter: ConcurrencyLimiter, clock: Clock, events: Events) -> None:
        self._limiter = limiter
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the attempt in a place of its own, or refuse it."""
        limiter = self._limiter
        now = self._clock.now
        started_at = now()
        if limiter.try_acquire():
            ticket = limiter.generation
        else:
            given = await limiter.acquire(call, started_at)
            if isinstance(given, CallError):
                return _refuse(self._events, call, given)
            ticket = given
            started_at = now()
        verdict = Verdict.IGNORED
        try:
            outcome = await call_next(call)
            verdict = verdict_of(outcome)
            return outcome
        finally:
            ended_at = now()
            limiter.release(call.method.full_name, ended_at - started_at, verdict, ended_at, ticket)


class ShedInterceptor(Preparation):
    """Refuses a call that could not even wait, before it is decoded."""

    name = "shed"

    def __init__(self, limiter: ConcurrencyLimiter, clock: Clock, events: Events) -> None:
        self._limiter = limiter
        self._clock = clock
        self._events = events

    def prepare(self, call: Call) -> Outcome | None:
        """Let the call go on, or refuse it."""
        limiter = self._limiter
        if not limiter.would_refuse(call.criticality) or limiter.would_look(
            call.method.full_name, self._clock.now()
        ):
            return None
        return _refuse(self._events, call, limiter.error(limiter.fullness()))
