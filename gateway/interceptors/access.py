"""Outermost: says once how each call ended, whatever ended it.

Rules:
1. A cancellation at or after the call's deadline, or the caller's own, is
   recorded as DEADLINE_EXCEEDED; an earlier one as CANCELLED.
2. An exception that is no cancellation is a fault of the gateway: INTERNAL.
"""

import asyncio

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.events import CallEnded, Events
from gateway.core.outcome import Outcome
from gateway.core.status import Code


def final_code(outcome: Outcome) -> Code:
    """Return the status that the caller sees for `outcome`."""
    return Code.OK if outcome.error is None else outcome.error.code


class AccessInterceptor:
    """Emits `CallEnded` for every call."""

    name = "access"

    def __init__(self, clock: Clock, events: Events) -> None:
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the call and record its end."""
        outcome: Outcome | None = None
        code = Code.INTERNAL
        try:
            outcome = await call_next(call)
            code = final_code(outcome)
            return outcome
        except asyncio.CancelledError:
            late = self._clock.now() >= min(
                call.deadline_at, call.client_deadline_at or float("inf")
            )
            code = Code.DEADLINE_EXCEEDED if late else Code.CANCELLED
            raise
        finally:
            duration_s = self._clock.now() - call.arrived_at
            self._events.emit(CallEnded(call, code, outcome, duration_s))
