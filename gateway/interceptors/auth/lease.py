"""Ends a stream whose credential is withdrawn while it lasts.

A call is looked at when it begins; most are over before anything changes. One that lasts (a
Watch, a bidirectional stream) is looked at again every `INTERVAL_S`, by a timer and without
any task, and is ended as its beginning would be refused now.
"""

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock, Timer
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.outcome import Outcome
from gateway.interceptors.auth.rule import Rule

INTERVAL_S = 5.0


class WithdrawnError(Exception):
    """The stream was ended; `error` is what its caller is told."""

    def __init__(self, error: CallError) -> None:
        super().__init__(error.message)
        self.error = error


class Lease:
    """One stream's right to go on.

    Args:
        rule: that let it in.
        call: it.
        clock: for the time between looks.
    """

    def __init__(self, rule: Rule, call: Call, clock: Clock) -> None:
        self._rule = rule
        self._call = call
        self._clock = clock
        self._block = Expiry(clock, float("inf"))
        self._error: CallError | None = None
        self._timer = self._arm()

    async def run(self, call_next: CallNext) -> Outcome:
        """Let the call go on.

        Raises:
            WithdrawnError: it may not go on to its end.
        """
        try:
            with self._block:
                return await call_next(self._call)
        except Expired:
            if self._error is None:
                raise  # another block's
            raise WithdrawnError(self._error) from None
        finally:
            self._timer.cancel()

    def _arm(self) -> Timer:
        return self._clock.call_at(self._clock.now() + INTERVAL_S, self._look)

    def _look(self) -> None:
        error = self._rule.withdrawn(self._call)
        if error is None:
            self._timer = self._arm()
            return
        error.message = f"the stream ends before its time: {error.message}"
        self._error = error
        self._block.end()
