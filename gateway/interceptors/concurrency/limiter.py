"""The limiter that the attempts of one upstream share: places.py with tasks that wait.

Rules:
1. An attempt that waits is a future and a timer; both end with the wait. The timer goes off
   when the wait is over, or before when a look at a silent upstream is due (looks.py).
2. A cancelled attempt leaves the line. If it was handed a place meanwhile, the place goes
   to the next.
"""

import asyncio

from gateway.core.call import Call
from gateway.core.clock import Clock, Timer
from gateway.core.criticality import Criticality
from gateway.core.errors import CallError
from gateway.interceptors.concurrency.baselines import MethodTimes
from gateway.interceptors.concurrency.errors import concurrency_limit
from gateway.interceptors.concurrency.line import Refusal, Waiter
from gateway.interceptors.concurrency.options import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.concurrency.places import Places, Verdict


class _Turn(Waiter):
    """A task that waits; its future has the refusal, or None for a place."""

    __slots__ = ("future", "granted", "timer")

    def __init__(
        self, times: MethodTimes, criticality: Criticality, deadline_at: float, since: float
    ) -> None:
        super().__init__(times, criticality, deadline_at, since)
        self.future: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()
        self.granted = False
        self.timer: Timer | None = None

    def decide(self, refusal: Refusal | None) -> None:
        self.granted = refusal is None
        if not self.future.done():  # it is where the task was cancelled and has yet to run
            self.future.set_result(refusal)


class ConcurrencyLimiter(Places):
    """The places of one upstream, and the tasks that wait for one.

    Args:
        upstream: its name, for errors.
        bulkhead: bounds of places and of the line; None for no bound of places and the
            built-in line.
        adaptive: the limit that follows latency; None for none.
        clock: for waits.
    """

    __slots__ = ("_clock", "upstream")

    def __init__(
        self,
        upstream: str,
        bulkhead: BulkheadOptions | None,
        adaptive: AdaptiveOptions | None,
        clock: Clock,
    ) -> None:
        super().__init__(bulkhead, adaptive, clock.now())
        self.upstream = upstream
        self._clock = clock

    async def acquire(self, call: Call, now: float) -> int | CallError:
        """Take a place as soon as there is one.

        Returns:
            The place's ticket, or why there is none: RESOURCE_EXHAUSTED with the reason
            CONCURRENCY_LIMIT and a delay.
        """
        if self.try_acquire():
            return self.generation
        turn = _Turn(self.times_of(call.method.full_name), call.criticality, call.deadline_at, now)
        refusal = self.join(turn, now)
        if refusal is None:
            refusal = await self._wait(turn)
        return turn.ticket if refusal is None else self.error(refusal)

    async def _wait(self, turn: _Turn) -> Refusal | None:
        self._set_timer(turn)
        try:
            return await turn.future
        except asyncio.CancelledError:
            if not self.leave(turn) and turn.granted:
                self.release("", 0.0, Verdict.IGNORED, self._clock.now(), turn.ticket)
            raise
        finally:
            if turn.timer is not None:
                turn.timer.cancel()

    def _set_timer(self, turn: _Turn) -> None:
        if not turn.future.done():
            turn.timer = self._clock.call_at(self.wakes_at(turn), lambda: self._wake(turn))

    def _wake(self, turn: _Turn) -> None:
        self.wake(turn, self._clock.now())
        self._set_timer(turn)

    def error(self, refusal: Refusal) -> CallError:
        """Return the error for a refusal."""
        return concurrency_limit(self.upstream, refusal, self.limit, self.retry_after_s())
