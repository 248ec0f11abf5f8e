"""Deletes what is kept no longer, now and then.

Rules:
1. Every `every_s`, a quarter more or less at random, so that processes do not sweep together.
2. A sweep is batches, until one is not full; after each comes a pause, so that calls are not
   held up. A store that does not answer is swept the next time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.core.clock import Clock, Rng
from gateway.state.records import StoreUnavailable

BATCH: Final = 500
_PAUSE_S: Final = 0.05
_log = logging.getLogger(__name__)


class Sweeper:
    """Begins when it is started.

    Args:
        sweep: deletes up to so many; returns how many.
        clock: for pauses.
        rng: spreads the sweeps of processes.
        every_s: seconds between sweeps.
    """

    def __init__(
        self,
        sweep: Callable[[int], Awaitable[int]],
        clock: Clock,
        rng: Rng,
        every_s: float = 60.0,
    ) -> None:
        self._sweep = sweep
        self._clock = clock
        self._rng = rng
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep from now on, the first time after a pause."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="sweep")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._every_s * (0.75 + self._rng.random() / 2))
            try:
                while await self._sweep(BATCH) == BATCH:
                    await self._clock.sleep(_PAUSE_S)
            except StoreUnavailable:
                continue
            except Exception:
                _log.exception("the durable store could not be swept")
