"""Feeds the overload guard: how late the event loop is, and how full the memory.

1. The lag is how much later than asked for the sampler's own sleep ends: what every other
   task of the loop waits too.
2. Memory moves slowly and is read once in a second.
"""

import asyncio
from collections.abc import Callable

from gateway.core.clock import Clock
from gateway.core.events import Events, OverloadChanged
from gateway.interceptors.overload.guard import OverloadGuard

_PERIOD_S = 0.05
_MEMORY_PERIOD_S = 1.0


class OverloadSampler:
    """A task beside the calls, from `start` to `stop`.

    Args:
        guard: is told every sample.
        clock: its timers are what is measured.
        events: are told when the guard serves more or less.
        read_memory_share: returns what is used of the memory limit, from 0 to 1, or None;
            must not block or raise. None: memory is not looked at.
    """

    def __init__(
        self,
        guard: OverloadGuard,
        clock: Clock,
        events: Events,
        read_memory_share: Callable[[], float | None] | None = None,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._events = events
        self._read_memory_share = read_memory_share
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._sample())

    async def stop(self) -> None:
        """End; the guard stays as it is."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _sample(self) -> None:
        clock = self._clock
        share: float | None = None
        read_at = clock.now()
        while True:
            due_at = clock.now() + _PERIOD_S
            await clock.sleep(_PERIOD_S)
            now = clock.now()
            if self._read_memory_share is not None and now >= read_at:
                share = self._read_memory_share()
                read_at = now + _MEMORY_PERIOD_S
            if self._guard.observe(max(0.0, now - due_at), share, now):
                guard = self._guard
                why = guard.why or "it keeps up again"
                self._events.emit(OverloadChanged(guard.least.name.lower(), why))
