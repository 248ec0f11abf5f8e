"""Around each attempt: counts it, bounds its time, says how it ended.

Rules:
1. An attempt ends at the sooner of its own timeout and the call's deadline; where that
   is the deadline, the call's own timer ends it and no other is armed.
2. Running out is ATTEMPT_TIMEOUT with an unknown effect at the upstream: a failure
   of the upstream, whichever of the two it was. (The deadline interceptor tells the
   caller of the deadline; its own timer covers what is not an attempt.)
3. A stream that has delivered and then reaches the call's deadline failed nobody, and
   neither does an upstream whose request waits for the caller's stream to go on.
"""

import asyncio
from dataclasses import dataclass

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import AttemptEnded, Events
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

_APART_S = 0.002
"""Two timers that are closer might fire together, and neither know whose end it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptOptions:
    """Args: timeout_s: the longest one attempt may take. upstream: for the error."""

    timeout_s: float = float("inf")
    upstream: str = ""


class AttemptInterceptor:
    """Innermost, next to the target."""

    name = "attempt"

    def __init__(self, options: AttemptOptions, clock: Clock, events: Events) -> None:
        self._options = options
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make one attempt within its time."""
        call.attempts += 1
        attempt = call.attempts
        started_at = self._clock.now()
        ends_at = started_at + self._options.timeout_s
        outcome: Outcome | None = None
        try:
            if call.expiry is not None and ends_at > call.deadline_at - _APART_S:
                try:
                    outcome = await call_next(call)
                except asyncio.CancelledError:
                    if not call.expiry.claim():
                        raise
                    outcome = self._timed_out(call, call.deadline_at - started_at)
            else:
                outcome = await self._timed(call, call_next, min(ends_at, call.deadline_at))
            return outcome
        finally:
            duration_s = self._clock.now() - started_at
            self._events.emit(AttemptEnded(call, attempt, outcome, duration_s))

    async def _timed(self, call: Call, call_next: CallNext, ends_at: float) -> Outcome:
        started_at = self._clock.now()
        call.attempt_ends_at = ends_at
        try:
            with Expiry(self._clock, ends_at):
                return await call_next(call)
        except Expired:
            return self._timed_out(call, ends_at - started_at)
        finally:
            call.attempt_ends_at = float("inf")

    def _timed_out(self, call: Call, duration_s: float) -> Outcome:
        delivered = call.sent > 0 and self._clock.now() >= call.deadline_at
        blameless = delivered or call.awaits_caller
        return failed(
            CallError(
                Code.DEADLINE_EXCEEDED,
                Reason.ATTEMPT_TIMEOUT,
                f"upstream {self._options.upstream!r} did not answer within {duration_s:.3g} s",
                origin=Origin.GATEWAY if blameless else Origin.UPSTREAM,
                sent=Sent.UNKNOWN,
                transient=True,
                upstream=self._options.upstream,
            )
        )
