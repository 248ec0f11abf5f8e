"""Around each attempt: counts it, bounds its time, says how it ended.

Rules:
1. An attempt ends at the sooner of its own timeout and the call's deadline; where that
   is the deadline, the call's own timer ends it and no other is armed. Where both have
   passed by the time the event loop looks, the call's timer is claimed too.
2. Running out is ATTEMPT_TIMEOUT with an unknown effect at the upstream: a failure of
   the upstream. (The deadline interceptor tells the caller of the deadline; its own timer
   covers what is not an attempt.)
3. It fails nobody: a stream that has delivered and then reaches the call's deadline, an
   upstream whose request waits for the caller's stream to go on, and a call whose deadline
   left less time than the method usually takes. Otherwise one caller in a hurry takes a
   healthy upstream away from all. The method's own timeout always counts.
4. What a method usually takes is a slow mean of its successes. It is not known before the
   first and a minute after the last, nor of streams, which last as long as they do; then
   running out counts.
5. A request that was not begun to be sent (core.http.unsent) is NOT_SENT. If it waited for
   a place among the gateway's own connections, that is the gateway's own failure and told
   as such, at the deadline as DEADLINE_EXCEEDED. If it waited to be connected, the upstream
   was not reachable within the method's timeout; that a deadline was shorter fails nobody,
   for connecting goes on and tells for itself.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from gateway.core.call import Call, CallNext, MethodInfo
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import AttemptEnded, Events
from gateway.core.http import unsent
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.core.tracing import CallTrace

_APART_S = 0.002
"""Two timers that are closer might fire together, and neither know whose end it is."""
_USUAL_WEIGHT = 1 / 16
_USUAL_KNOWN_S = 60.0


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
        self._usual_s = 0.0
        self._usual_until = float("-inf")

    def __call__(self, call: Call, call_next: CallNext) -> Awaitable[Outcome]:
        """Make one attempt within its time."""
        return self._make(call, call_next)

    async def _make(self, call: Call, call_next: CallNext) -> Outcome:
        call.attempts += 1
        attempt = call.attempts
        started_at = self._clock.now()
        ends_at = started_at + self._options.timeout_s
        outcome: Outcome | None = None
        try:
            if call.expiry is not None and ends_at > call.deadline_at - _APART_S:
                try:
                    outcome = await call_next(call)
                except asyncio.CancelledError as ended:
                    if not call.expiry.claim():
                        raise
                    outcome = self._timed_out(call, started_at, call.deadline_at, ended)
            else:
                outcome = await self._timed(call, call_next, started_at, ends_at)
            return outcome
        finally:
            now = self._clock.now()
            duration_s = now - started_at
            if outcome is SUCCESS:
                self._learn(call.method, duration_s, now)
            self._events.emit(AttemptEnded(call, attempt, outcome, duration_s))

    def _learn(self, method: MethodInfo, duration_s: float, now: float) -> None:
        if method.server_streaming or method.client_streaming:
            return
        if now < self._usual_until:
            self._usual_s += (duration_s - self._usual_s) * _USUAL_WEIGHT
        else:
            self._usual_s = duration_s
        self._usual_until = now + _USUAL_KNOWN_S

    async def _timed(
        self, call: Call, call_next: CallNext, started_at: float, ends_at: float
    ) -> Outcome:
        ends_at = min(ends_at, call.deadline_at)
        call.attempt_ends_at = ends_at
        try:
            with Expiry(self._clock, ends_at):
                return await call_next(call)
        except Expired as ended:
            return self._timed_out(call, started_at, ends_at, ended)
        except asyncio.CancelledError as ended:
            # A loop that is late may have fired the call's timer too, which then goes on.
            if call.expiry is None or not call.expiry.claim():
                raise
            return self._timed_out(call, started_at, ends_at, ended)
        finally:
            call.attempt_ends_at = float("inf")

    def _timed_out(
        self, call: Call, started_at: float, ends_at: float, ended: BaseException
    ) -> Outcome:
        hurried = call.deadline_at < started_at + self._options.timeout_s
        waited_for = unsent(ended)
        if waited_for is not None and waited_for.origin is Origin.GATEWAY:
            if hurried:
                waited_for.code = Code.DEADLINE_EXCEEDED
                waited_for.reason = Reason.DEADLINE_EXCEEDED
                waited_for.message = f"the deadline ran out: {waited_for.message}"
            return failed(waited_for)
        if waited_for is not None and not hurried:
            return failed(waited_for)
        return failed(self._silent(call, ends_at - started_at, hurried, waited_for))

    def _silent(
        self, call: Call, duration_s: float, hurried: bool, waited_for: CallError | None
    ) -> CallError:
        now = self._clock.now()
        blameless = (
            waited_for is not None
            or call.awaits_caller
            or (call.sent > 0 and now >= call.deadline_at)
            or (hurried and now < self._usual_until and duration_s < self._usual_s)
        )
        return CallError(
            Code.DEADLINE_EXCEEDED,
            Reason.ATTEMPT_TIMEOUT,
            f"upstream {self._options.upstream!r} did not answer within {duration_s:.3g} s",
            origin=Origin.GATEWAY if blameless else Origin.UPSTREAM,
            sent=Sent.UNKNOWN if waited_for is None else Sent.NOT_SENT,
            transient=True,
            upstream=self._options.upstream,
        )


class TracedAttemptInterceptor(AttemptInterceptor):
    """The same where calls may be traced; one that is not costs a look."""

    def __call__(self, call: Call, call_next: CallNext) -> Awaitable[Outcome]:
        """Make one attempt within its time, and trace it."""
        if call.trace is None:
            return self._make(call, call_next)
        return self._traced(call, call.trace, call_next)

    async def _traced(self, call: Call, trace: CallTrace, call_next: CallNext) -> Outcome:
        attempt = trace.attempt(call, call.attempts + 1, self._options.upstream)
        call.trace_headers, call.answer_status = attempt.headers, 0
        outcome: Outcome | None = None
        try:
            outcome = await self._make(call, call_next)
            return outcome
        finally:
            attempt.end(call, outcome)
