"""Time and randomness that tests drive.

`FakeClock` stands still until told, or, with `auto_jump`, jumps to its next timer
whenever the event loop has nothing else to do: a test of a minute's backoff takes
no time and needs no list of steps. Do not use `auto_jump` beside real sockets: a
loop that waits for the network has nothing to do either.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable


class FakeTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """A `core.clock.Clock` whose time moves by `advance`, or by itself with `auto_jump`."""

    def __init__(self, start: float = 1000.0, *, auto_jump: bool = False) -> None:
        self._now = start
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._order = itertools.count()
        self._auto_jump = auto_jump
        self._watching = False
        self.slept: list[float] = []
        """Every `sleep`, in seconds."""

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return 1_800_000_000.0 + self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        self._watch()
        return timer

    async def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        done = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + duration_s, lambda: done.done() or done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    @property
    def pending(self) -> int:
        """Timers that are armed."""
        return sum(timer.callback is not None for _, _, timer in self._timers)

    def advance(self, duration_s: float) -> None:
        """Move time and run what became due; tasks it woke run at the next await."""
        until = self._now + duration_s
        while self._timers and self._timers[0][0] <= until:
            self._run_next()
        self._now = until

    def _run_next(self) -> None:
        when, _, timer = heapq.heappop(self._timers)
        if timer.callback is not None:
            self._now = max(self._now, when)
            callback, timer.callback = timer.callback, None
            callback()

    def _watch(self) -> None:
        if self._auto_jump and not self._watching:
            self._watching = True
            asyncio.get_running_loop().call_soon(self._idle, 0)

    def _idle(self, quiet: int) -> None:
        # A loop whose only ready callback is this one, some turns in a row, is idle.
        loop = asyncio.get_running_loop()
        self._timers = [entry for entry in self._timers if entry[2].callback is not None]
        heapq.heapify(self._timers)
        if not self._timers:
            self._watching = False
            return
        quiet = quiet + 1 if not getattr(loop, "_ready", ()) else 0
        if quiet >= 3:
            quiet = 0
            self._run_next()
        loop.call_soon(self._idle, quiet)


class FakeRng:
    """A `core.clock.Rng` that draws from a list, over and over."""

    def __init__(self, draws: Iterable[float] = (0.5,)) -> None:
        self._draws = itertools.cycle(draws)

    def random(self) -> float:
        return next(self._draws)
