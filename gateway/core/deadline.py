"""A block of code that ends at a moment of the injected clock.

The counterpart of `asyncio.timeout` for `core.clock.Clock`, with its rules:

1. Reaching `when` cancels the task once; the block then raises `Expired`.
2. A cancellation from elsewhere that comes first, or at the same time, wins and
   goes on as `CancelledError`: an outer owner is never robbed of its cancel.
3. A block that ends by itself before it was cancelled ends as it did.
4. What stands inside a block may `claim` its ending: it then ends there, by its own
   words, and the block goes on without a timer. So two blocks that end at one moment
   need one timer.
"""

import asyncio
from types import TracebackType

from gateway.core.clock import Clock, Timer


class Expired(Exception):
    """The block was ended because its time ran out."""


class Expiry:
    """`with Expiry(clock, when): await …` raises `Expired` at `when`.

    Args:
        clock: whose time counts.
        when: monotonic seconds; infinity arms no timer.
    """

    __slots__ = ("_cancelling", "_clock", "_fired", "_task", "_timer", "_when")

    def __init__(self, clock: Clock, when: float) -> None:
        self._clock = clock
        self._when = when
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
        self._fired = True
        self._task.cancel()

    def end(self) -> None:
        """End the block now, as if its time had run out; from another task only."""
        if not self._fired:
            self._fire()

    def claim(self) -> bool:
        """Tell whether a CancelledError just caught is this block's ending, and take it over.

        False for a cancellation from elsewhere, which must go on.
        """
        if not self._fired or self._task.cancelling() - 1 > self._cancelling:
            return False
        self._fired = False
        self._task.uncancel()
        return True

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
