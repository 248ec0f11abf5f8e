"""The pacer on the way of an attempt: waits for its turn, and tells it the answer."""

import asyncio
from functools import partial

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.errors import Sent
from gateway.core.events import CallRefused, Events, PacingChanged
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.pacing.pacer import Pacer
from gateway.interceptors.pacing.refusal import Refusal, paced
from gateway.interceptors.pacing.ticket import Ticket

_LOOK_S = 1.0
"""The first of the line looks this often whether its turn has come earlier."""


class PacingInterceptor:
    """Around each attempt.

    Args:
        pacer: shared by all methods of the upstream.
        clock: time and sleeps.
        events: are told of refusals, and of rates taught and forgotten.
    """

    name = "pacing"

    def __init__(self, pacer: Pacer, clock: Clock, events: Events) -> None:
        self._pacer = pacer
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make the attempt when it is its turn, or refuse it."""
        pacer = self._pacer
        if pacer.active:
            refusal = await self._enter(call)
            if refusal is not None:
                rate_per_s = pacer.rate_per_s or 0.0
                error = paced(pacer.upstream, rate_per_s, refusal, learned=pacer.learned)
                self._events.emit(CallRefused(call, self.name, error))
                return failed(error)
        went, let_go_in = pacer.went, pacer.round
        outcome = await call_next(call)
        self._learn(outcome, went, let_go_in)
        return outcome

    async def _enter(self, call: Call) -> Refusal | None:
        now = self._clock.now()
        entered = self._pacer.enter(now, call.deadline_at, call.criticality)
        if self._pacer.news is not None:
            self._tell(now)
        return await self._wait(entered) if isinstance(entered, Ticket) else entered

    async def _wait(self, ticket: Ticket) -> Refusal | None:
        pacer, clock = self._pacer, self._clock
        try:
            while ticket.refusal is None:
                timer = None
                woken = _woken(ticket)
                if pacer.is_first(ticket):
                    now = clock.now()
                    left = pacer.turn(ticket, now)
                    if isinstance(left, Refusal):
                        return left
                    if not left:
                        return None
                    timer = clock.call_at(now + min(left, _LOOK_S), partial(_wake, woken))
                try:
                    await woken
                finally:
                    if timer is not None:
                        timer.cancel()
            return ticket.refusal
        finally:
            pacer.leave(ticket)

    def _learn(self, outcome: Outcome, went: int, let_go_in: int) -> None:
        pacer, error = self._pacer, outcome.error
        if error is not None and error.sent is Sent.NOT_SENT:
            pacer.take_back(went)
        elif pacer.learns and (error is None or error.http_status is not None):
            now = self._clock.now()
            if error is None or error.http_status != 429:
                pacer.through(let_go_in, now)
                return
            pacer.refused(let_go_in, error.retry_after_s, now)
            if pacer.news is not None:
                self._tell(now)

    def _tell(self, now: float) -> None:
        pacer = self._pacer
        news, pacer.news = pacer.news, None
        if news is not None:
            self._events.emit(PacingChanged(pacer.upstream, news.rate_per_s, news.why))
            pacer.refuse_late(now)


def _woken(ticket: Ticket) -> asyncio.Future[None]:
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ticket.wake = partial(_wake, woken)
    return woken


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
