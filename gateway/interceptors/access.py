"""Outermost: says once how each call ended, whatever ended it.

Rules:
1. A cancellation at or after the call's deadline, or the caller's own, is
   recorded as DEADLINE_EXCEEDED; an earlier one as CANCELLED.
2. An exception that is no cancellation is a fault of the gateway: INTERNAL.
3. A failure is named here, once everything further in has decided by what it was. What is
   named is a copy: errors are shared with what keeps or repeats them (attempts that were
   recorded, breakers, other callers), and they stay what happened.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.errors import CallError
from gateway.core.events import CallEnded, Events
from gateway.core.outcome import Outcome
from gateway.core.status import Code


def final_code(outcome: Outcome) -> Code:
    """Return the status that the caller sees for `outcome`."""
    return Code.OK if outcome.error is None else outcome.error.code


class AccessInterceptor:
    """Emits `CallEnded` for every call.

    Args:
        clock: times calls.
        events: told of their ends.
        name_error: gives a failure, its caller's own copy, the name that the caller is told
            (core.catalog).
    """

    name = "access"

    def __init__(
        self,
        clock: Clock,
        events: Events,
        name_error: Callable[[Call, CallError], None] | None = None,
    ) -> None:
        self._clock = clock
        self._events = events
        self._name_error = name_error

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the call and record its end."""
        outcome: Outcome | None = None
        code = Code.INTERNAL
        try:
            outcome = await call_next(call)
            if outcome.error is not None and self._name_error is not None:
                error = replace(outcome.error)
                self._name_error(call, error)
                outcome = Outcome(outcome.kind, error)
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
