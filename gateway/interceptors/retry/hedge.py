"""A second attempt beside a slow one; the first answer is the caller's (gRFC A6).

Just inside `retry`: what a hedged try comes to is one outcome to it. For unary methods that
are idempotent; the configuration sees to that. `race.py` says whose outcome it is. Beside it:

1. The first attempt runs in the caller's task, on the call itself; with one timer, which
   sends a hedge when it fires, and sends the next as much later, up to `max_hedges`.
2. A hedge is a task with a call of its own (`SubCall`): to another endpoint where there is
   one, the first to be shed, its answer kept until it has won.
3. A first attempt that was not sent yet (it waits for its turn at a limit) gets no hedge: it
   would wait behind it. The timer is set again. One whose answer is on its way to the caller
   gets none either, and is not ended any more.
4. The delay is `delay_s`, or the quantile of what tries of the method took lately, and not
   known before there were enough of them. A try that a hedge won counts with the time until
   then: the first would have taken longer still. Left out, slow ones would vanish from what
   is known, and the delay fall with each hedge.
5. The budget and the method's own share must allow a hedge at the moment when it is sent, and
   so must `max_attempts`: hedges count, those that still wait for their turn too.
6. Where the first attempt's failure stands (`race.py`) only hedges already sent are waited for.
7. Whoever ends the try (an answer, the caller's cancel, the deadline) ends all of it: no
   task outlives it. A hedge that breaks is reported by the event loop and costs the call
   nothing.
"""

import asyncio
from collections.abc import Sequence

from gateway.core.call import Call, CallNext, SubCall
from gateway.core.clock import Clock, Timer
from gateway.core.criticality import Criticality
from gateway.core.deadline import Expired, Expiry
from gateway.core.events import Events, HedgeEnded, HedgeSent
from gateway.core.outcome import Outcome
from gateway.interceptors.retry.budget import RetryBudget
from gateway.interceptors.retry.latency import LatencyQuantile
from gateway.interceptors.retry.options import HedgeOptions
from gateway.interceptors.retry.race import FIRST, Race
from gateway.interceptors.retry.share import HedgeShare

_NEVER = float("inf")


class HedgeInterceptor:
    """Sends hedges by the rules above. One instance a method.

    Args:
        options: of the method.
        clock: times attempts.
        events: HedgeSent and HedgeEnded.
        budget: of the upstream, shared with its retries; None for no bound but the share.
    """

    name = "hedge"

    def __init__(
        self, options: HedgeOptions, clock: Clock, events: Events, budget: RetryBudget | None
    ) -> None:
        self.options = options
        self.clock = clock
        self.events = events
        self._budget = budget
        self._share = HedgeShare(options.max_share if options.max_hedges else 0.0)
        self._latency = LatencyQuantile(options.quantile) if options.delay_s is None else None

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run one try; send hedges beside it where it is slow."""
        started_at = self.clock.now()
        if not call.attempts:
            self._share.earn()
        delay_s = self._delay_s(started_at)
        if started_at + delay_s >= call.deadline_at or not self._share.affords:
            outcome = await call_next(call)
        else:
            outcome = await _Try(self, call, call_next, started_at, delay_s).run()
        if self._latency is not None and outcome.error is None:
            now = self.clock.now()
            self._latency.add(now - started_at, now)
        return outcome

    def _delay_s(self, now: float) -> float:
        if self._latency is None:
            delay_s = self.options.delay_s
            return _NEVER if delay_s is None else delay_s
        told_s = self._latency.value_s(now)
        return _NEVER if told_s is None else max(told_s, self.options.min_delay_s)

    def withdraw(self, now: float) -> bool:
        """Take one hedge out of share and budget; False where either allows none."""
        if not self._share.affords or not (self._budget is None or self._budget.withdraw(now)):
            return False
        self._share.spend()
        return True


class _Hedge:
    """One hedge: its call, its task, and its answer until it has won."""

    __slots__ = ("call", "number", "payload", "task")

    def __init__(self, call: Call, number: int, tried: Sequence["_Hedge"]) -> None:
        self.number = number
        self.payload: bytes | None = None
        self.call = sub = SubCall(call, sink=self._keep, message=call.message, own_task=True)
        sub.prepared, sub.added_headers = call.prepared, call.added_headers
        sub.criticality = Criticality.SHEDDABLE
        endpoints = (call.endpoint, *(hedge.call.endpoint for hedge in tried))
        sub.tried = (*call.tried, *(e for e in endpoints if e is not None))
        self.task: asyncio.Task[None] | None = None

    async def _keep(self, payload: bytes) -> None:
        self.payload = payload


class _Try:
    """One try of a call and the hedges beside it."""

    __slots__ = (
        "_attempts",
        "_block",
        "_call",
        "_call_next",
        "_delay_s",
        "_first_runs",
        "_hedges",
        "_kept",
        "_of",
        "_race",
        "_started_at",
        "_timer",
        "_winner",
    )

    def __init__(
        self,
        of: HedgeInterceptor,
        call: Call,
        call_next: CallNext,
        started_at: float,
        delay_s: float,
    ) -> None:
        self._of = of
        self._call = call
        self._call_next = call_next
        self._started_at = started_at
        self._delay_s = delay_s
        self._attempts = call.attempts
        self._kept = len(call.trailing_metadata)
        self._first_runs = True
        self._block = Expiry(of.clock, _NEVER)  # ended by a hedge that decides
        self._timer: Timer = of.clock.call_at(started_at + delay_s, self._send)
        self._hedges: Sequence[_Hedge] = ()
        self._race: Race | None = None
        """From the first hedge on."""
        self._winner = FIRST

    async def run(self) -> Outcome:
        """Return what the try came to, its answer delivered."""
        first: Outcome | None = None
        try:
            try:
                with self._block:
                    first = await self._call_next(self._call)
            except Expired:
                pass  # a hedge decided
            finally:
                self._first_runs = False
                self._timer.cancel()
            if self._race is None:
                assert first is not None
                return first
            return await self._settle(self._race, first)
        finally:
            if self._hedges:
                await self._close()

    def _send(self) -> None:
        """Send a hedge, or see later, or never; called by the timer."""
        call, of = self._call, self._of
        now = of.clock.now()
        if call.sent or now >= call.deadline_at or (self._race and self._race.decided):
            return
        if call.attempts == self._attempts:  # it waits for its turn, and a hedge would too
            self._timer = of.clock.call_at(now + self._delay_s, self._send)
            return
        waiting = sum(not hedge.call.attempts for hedge in self._hedges)
        if call.attempts + waiting >= of.options.max_attempts or not of.withdraw(now):
            return
        if self._race is None:
            self._race = Race(of.options)
        hedge = _Hedge(call, len(self._hedges) + 1, self._hedges)
        self._hedges = (*self._hedges, hedge)
        of.events.emit(HedgeSent(call, call.attempts + 1, now - self._started_at))
        hedge.task = asyncio.get_running_loop().create_task(self._run(hedge, self._race))
        if len(self._hedges) < of.options.max_hedges:
            self._timer = of.clock.call_at(now + self._delay_s, self._send)

    async def _run(self, hedge: _Hedge, race: Race) -> None:
        outcome = await self._call_next(hedge.call)
        if self._call.sent:
            return  # the first is delivering
        if race.ended(hedge.number, outcome) and self._first_runs:
            self._block.end()

    async def _settle(self, race: Race, first: Outcome | None) -> Outcome:
        """Return the race's outcome once there is one, and deliver it where a hedge won."""
        if first is not None:
            if self._call.sent:
                return first  # delivered, whatever a hedge came to meanwhile
            race.ended(FIRST, first)
        while not race.decided and (running := self._running(only_sent=race.stands)):
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        outcome = race.outcome
        assert outcome is not None
        if outcome.error is not None:
            endpoints = (hedge.call.endpoint for hedge in self._hedges)
            self._call.tried += tuple(e for e in endpoints if e is not None)
        if race.decided and race.winner != FIRST:
            self._winner = race.winner
            if outcome.error is None:
                await self._deliver(self._hedges[race.winner - 1])
        return outcome

    async def _deliver(self, winner: _Hedge) -> None:
        call = self._call
        kept = call.trailing_metadata[: self._kept]
        call.trailing_metadata = kept + winner.call.trailing_metadata
        call.answer_headers = winner.call.answer_headers
        call.not_modified = winner.call.not_modified
        for task in self._running():
            task.cancel()
        if winner.payload is not None:
            await call.send(winner.payload)

    def _running(self, *, only_sent: bool = False) -> list[asyncio.Task[None]]:
        tasks = (h.task for h in self._hedges if h.call.attempts or not only_sent)
        return [task for task in tasks if task is not None and not task.done()]

    async def _close(self) -> None:
        """End what still runs and wait for it; a cancellation meanwhile goes on afterwards."""
        for task in self._running():
            task.cancel()
        for hedge in self._hedges:
            won = hedge.number == self._winner
            self._of.events.emit(HedgeEnded(self._call, won))
        cancelled: asyncio.CancelledError | None = None
        while running := self._running():
            try:
                await asyncio.wait(running)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
