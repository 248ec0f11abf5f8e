"""Time and randomness, as constructor arguments.

Everything in the gateway that waits, measures or draws lots is handed a `Clock`
and an `Rng`; the linter bans `time`, `asyncio.sleep` and `random` elsewhere, so
that tests can drive every time-based behaviour (see tests/fakes/clock.py).
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A scheduled callback."""

    def cancel(self) -> None:
        """Make sure the callback does not run; harmless once it has."""


class Clock(Protocol):
    """A monotonic clock with timers. All values in seconds."""

    def now(self) -> float:
        """Return the monotonic time; its zero has no meaning."""

    def wall(self) -> float:
        """Return seconds since the Unix epoch, for what leaves the process."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Run `callback` on the event loop once `now()` has reached `when`."""

    async def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` seconds."""


class Rng(Protocol):
    """A source of randomness."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


_COARSE_S = 0.001


class SystemClock:
    """The machine's clock and the running event loop's timers.

    Event loops count time by `time.monotonic`, some in whole milliseconds.
    """

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Run `callback` once `now()` has reached `when`."""
        # What counts in milliseconds may be that much too early, which nobody expects.
        return asyncio.get_running_loop().call_at(when + _COARSE_S, callback)

    async def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` seconds."""
        await asyncio.sleep(duration_s)


def system_rng() -> Rng:
    """Return a generator seeded by the operating system."""
    return random.Random()
