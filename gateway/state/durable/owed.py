"""Claims that nobody wanted any more, or never heard of: they are taken back.

A call that is cancelled while it claims, or does not hear in time whether it has claimed, sends
nothing; but its claim may be kept, and would read as UNKNOWN when its lease is over.

Rules:
1. Such a claim is forgotten as soon as the store answers, one at a time, by one task. One whose
   answer was lost is forgotten twice, `AGAIN_S` apart: what the server had in its hands may be
   done after the first.
2. What cannot be taken back within `GIVE_UP_S` is left to its lease.
3. At most `MAX_OWED` are owed; what comes beyond is left to its lease too, and so is what comes
   after the end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.core.clock import Clock
from gateway.state.records import StoreUnavailable

MAX_OWED: Final = 10_000
AGAIN_S: Final = 5.0
GIVE_UP_S: Final = 120.0
_PAUSE_S: Final = 0.25


class _Debt:
    __slots__ = ("due_at", "key", "times", "until")

    def __init__(self, key: bytes, times: int, now: float) -> None:
        self.key = key
        self.times = times
        self.due_at = now
        self.until = now + GIVE_UP_S


class Owed:
    """See the rules of the module.

    Args:
        forget: takes a claim back, by key and token.
        clock: for pauses.
    """

    def __init__(self, forget: Callable[[bytes, int], Awaitable[object]], clock: Clock) -> None:
        self._forget = forget
        self._clock = clock
        self._debts: dict[int, _Debt] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._debts)

    def add(self, key: bytes, token: int, *, lost: bool) -> None:
        """Take a claim back.

        Args:
            key: of the record.
            token: of the claim.
            lost: whether nobody knows if it was made.
        """
        if self._is_closed or len(self._debts) >= MAX_OWED:
            return
        self._debts[token] = _Debt(key, 2 if lost else 1, self._clock.now())
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._pay(), name="owed")

    async def close(self) -> None:
        """Try once what is due, and leave the rest."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            await self._round()
            self._debts.clear()

    async def _pay(self) -> None:
        try:
            while self._debts:
                pause_s = await self._round()
                if self._debts:
                    await self._clock.sleep(pause_s)
        finally:
            self._task = None

    async def _round(self) -> float:
        """Pay what is due; return how long to wait before the next round."""
        for token, debt in list(self._debts.items()):
            now = self._clock.now()
            if now >= debt.until:
                del self._debts[token]
            elif now >= debt.due_at:
                try:
                    await self._forget(debt.key, token)
                except StoreUnavailable as error:
                    return max(error.retry_after_s, _PAUSE_S)
                debt.times -= 1
                debt.due_at = now + AGAIN_S
                if not debt.times:
                    del self._debts[token]
        return _PAUSE_S
