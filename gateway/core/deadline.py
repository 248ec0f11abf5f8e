"""A block of code that ends at a moment of the injected clock.

The counterpart of `asyncio.timeout` for `core.clock.Clock`, with its rules:

1. Reaching `when` cancels the task once; the block then raises `Expired`.
2. A cancellation from elsewhere that comes first, or at the same time, wins and
   goes on as `CancelledError`: an outer owner is never robbed of its cancel.
3. A block that ends by itself before it was cancelled ends as it did.
4. Of two nested blocks that end at one moment, the outer may `yield_to` the inner: it
   then waits `_YIELD_S` for the inner's own ending before it cancels after all.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType

from gateway.core.clock import Clock, Timer

_YIELD_S = 0.1


class Expired(Exception):
    """The block was ended because its time ran out."""


class Expiry:
    """`with Expiry(clock, when): await …` raises `Expired` at `when`.

    Args:
        clock: whose time counts.
        when: monotonic seconds; infinity arms no timer.
        yield_to: tells whether an inner block ends at the same moment.
    """

    __slots__ = ("_cancelling", "_clock", "_fired", "_task", "_timer", "_when", "_yield_to")

    def __init__(
        self, clock: Clock, when: float, yield_to: Callable[[], bool] | None = None
    ) -> None:
        self._clock = clock
        self._when = when
        self._yield_to = yield_to
        self._timer: Timer | None = None
        self._fired = False

    def __enter__(self) -> "Expiry":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Expiry needs a running task")
        self._task = task
        self._cancelling = task.cancelling()
        if self._when != float("inf"):
            self._timer = self._clock.call_at(self._when, self._fire)
        return self

    def _fire(self) -> None:
        if self._yield_to is not None and self._yield_to():
            self._yield_to = None
            self._timer = self._clock.call_at(self._clock.now() + _YIELD_S, self._fire)
            return
        self._fired = True
        self._task.cancel()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if (
            self._fired
            and self._task.uncancel() <= self._cancelling
            and exc_type is asyncio.CancelledError
        ):
            raise Expired from exc
