"""The overload guard on the way of a call; one comparison while all is well."""

from gateway.core.call import Call, Preparation
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.overload.guard import OverloadGuard, overloaded


class OverloadInterceptor(Preparation):
    """Refuses what is less critical than the guard serves; behind `arrival`.

    Args:
        guard: the process has one.
        events: are told what was refused.
    """

    name = "overload"

    def __init__(self, guard: OverloadGuard, events: Events) -> None:
        self._guard = guard
        self._events = events

    def prepare(self, call: Call) -> Outcome | None:
        """Let the call go on, or refuse it."""
        if call.criticality >= self._guard.least:
            return None
        error = overloaded(self._guard)
        self._events.emit(CallRefused(call, self.name, error))
        return failed(error)
