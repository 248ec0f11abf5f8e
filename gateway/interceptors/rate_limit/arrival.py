"""Limits of addresses in front of what has to look at a call before the decision on it.

A method with limits by caller or by field, and others that need neither, has one decision on
all of them, behind auth or behind decode. What is refused on the way there (a wrong key, a
forged signature, bytes that are no message) would never be counted, and whoever guesses could
guess for ever.

Rules:
1. A call that ends before the decision is counted by the limits that were known when it
   arrived: at its end, by one question of their own. A call that reaches the decision is
   counted there and nowhere else.
2. Where that question finds no room, the limit's key is blocked in this process until there is:
   calls that arrive meanwhile are refused at once, and cost neither a question nor a look at
   their credential. So a call that is let through costs no question more than without.
3. A blocked key is forgotten when its time is over; of more than `MAX_BLOCKED` the oldest are.
4. A call that is cancelled before the decision is counted too, beside its end.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.events import CallRefused, Events, LimitExceeded
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.rate_limit import answer
from gateway.interceptors.rate_limit.interceptor import NAME, LimitOf
from gateway.state.limits import Hit, Limit, LimitStore, Verdict

MAX_BLOCKED: Final = 10_000
_LONGEST_S: Final = 60.0
"""After this a blocked key is asked about again: the count may be another one by then."""


class ArrivalLimitInterceptor:
    """In front of auth.

    Args:
        limits: of the method, those that need nothing but the call as it arrived.
        store: counts.
        clock: of what is blocked.
        events: are told of what is beyond a limit, and of what is refused.
    """

    name = "arrival_limit"

    def __init__(
        self, limits: Sequence[LimitOf], store: LimitStore, clock: Clock, events: Events
    ) -> None:
        self._limits = tuple(limits)
        self._store = store
        self._clock = clock
        self._events = events
        self._blocked: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._beside: set[asyncio.Task[None]] = set()

    @property
    def blocked(self) -> int:
        """Keys that are blocked, some of them over by now."""
        return len(self._blocked)

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Let the call go on, and count it where nobody else does."""
        hits = [Hit(limit, key_of(call)) for limit, key_of in self._limits]
        if self._blocked and (refusing := self._refusing(hits)):
            return self._refuse(call, refusing)
        try:
            outcome = await call_next(call)
        except BaseException:
            if not call.counted:
                task = asyncio.get_running_loop().create_task(self._count(call, hits))
                self._beside.add(task)
                task.add_done_callback(self._beside.discard)
            raise
        if not call.counted:
            await self._count(call, hits)
        return outcome

    def _refusing(self, hits: Sequence[Hit]) -> list[tuple[Limit, Verdict]]:
        now = self._clock.now()
        found = []
        for limit, key, _ in hits:
            until = self._blocked.get((limit.name, key))
            if until is None:
                continue
            if now >= until:
                del self._blocked[limit.name, key]
                continue
            found.append((limit, Verdict(False, 0, until - now, until - now)))
        return found

    def _refuse(self, call: Call, refusing: Sequence[tuple[Limit, Verdict]]) -> Outcome:
        for limit, _ in refusing:
            self._events.emit(LimitExceeded(call, limit.name, shadow=False))
        error = answer.rate_limited(refusing)
        self._events.emit(CallRefused(call, NAME, error))
        return failed(error)

    async def _count(self, call: Call, hits: Sequence[Hit]) -> None:
        decision = await self._store.take(hits)
        now = self._clock.now()
        for (limit, key, _), verdict in zip(hits, decision.verdicts, strict=False):
            if verdict.allowed:
                continue
            self._events.emit(LimitExceeded(call, limit.name, limit.shadow))
            if not limit.shadow:
                self._blocked[limit.name, key] = now + min(verdict.retry_after_s, _LONGEST_S)
                self._blocked.move_to_end((limit.name, key))
        while len(self._blocked) > MAX_BLOCKED:
            self._blocked.popitem(last=False)
