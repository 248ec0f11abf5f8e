"""A store of answers that no call pays for when it is slow or gone.

Rules:
1. A question has `timeout_s`. Without an answer in time, and with one that is an error, there
   is nothing: a miss, nothing kept. The call goes on as if there were no cache.
2. Failures open a breaker (state/breaker.py); while it is open the store is not asked. It is
   probed in the background, with more time than a call has: to connect may take longer. A
   guard that is started begins so.
3. An invalidation that could not be written is owed. What is owed is written before anything
   is read again: until then there is nothing. Owed tags beyond `MAX_OWED` are `ALL`. Other
   processes read what they find meanwhile: an invalidation is known to them once it is written.
4. `StoreChanged` is told once the breaker opens, and once the store is asked again; of a guard
   that is started, how it began.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.events import Events, StoreChanged
from gateway.state.answers import ALL, AnswerStore, Entry, Found, Marks
from gateway.state.breaker import State, StoreBreaker, StoreBreakerOptions

_log = logging.getLogger(__name__)
MAX_OWED: Final = 10_000
_PROBE_S: Final = 2.0
"""For one probe."""
T = TypeVar("T")


class GuardedAnswers(AnswerStore):
    """An `AnswerStore` over one that may fail; never raises but for a cancelled caller.

    Args:
        store: is asked while it answers.
        clock: whose time counts.
        events: are told of changes.
        timeout_s: for one question.
        options: of the breaker.
    """

    def __init__(
        self,
        store: AnswerStore,
        clock: Clock,
        events: Events,
        timeout_s: float = 0.050,
        options: StoreBreakerOptions | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._timeout_s = timeout_s
        self._breaker = StoreBreaker(options)
        self._owed: dict[str, object] = {}
        self._paying = asyncio.Lock()
        self._tending: asyncio.Task[None] | None = None
        self._down = asyncio.Event()
        self._tried = asyncio.Event()

    async def start(self) -> None:
        """Reach for the store; return when the first attempt is over, whatever came of it."""
        self._breaker.trip(self._clock.now())
        self._tend()
        await self._tried.wait()

    @property
    def owed(self) -> int:
        """Tags whose invalidation has not been written."""
        return len(self._owed)

    async def read(self, key: bytes, tags: Sequence[str]) -> Found:
        """Return the entry of `key`; nothing where the store does not answer."""
        if self._owed and not await self._pay():
            return Found(None)
        return await self._asked(lambda: self._store.read(key, tags)) or Found(None)

    async def write(self, key: bytes, tags: Sequence[str], entry: Entry) -> None:
        """Keep an entry, where the store answers."""
        if entry.marks:  # those of a store that did not answer hold nothing
            await self._asked(lambda: self._store.write(key, tags, entry))

    async def marks(self, tags: Sequence[str]) -> Marks:
        """Return the marks that tags have now; () where the store does not answer."""
        if self._owed and not await self._pay():
            return ()
        return await self._asked(lambda: self._store.marks(tags)) or ()

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Let no entry of these tags hold any more: now, or before the next is read."""
        for tag in tags:
            self._owed[tag] = object()
        if len(self._owed) > MAX_OWED:
            self._owed = {ALL: object()}
        await self._pay()

    async def forget(self, key: bytes) -> None:
        """Let no entry of `key` hold any more, where the store answers."""
        await self._asked(lambda: self._store.forget(key))

    async def close(self) -> None:
        """Give back what the store holds."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait((self._tending,))
        try:
            with Expiry(self._clock, self._clock.now() + self._timeout_s):
                await self._store.close()
        except Exception:
            _log.debug("a store of answers did not close well", exc_info=True)

    async def _pay(self) -> bool:
        """Write what is owed; return whether nothing is any more."""
        async with self._paying:
            while self._owed:
                owed = dict(self._owed)

                async def invalidate(tags: Sequence[str] = tuple(owed)) -> bool:
                    await self._store.invalidate(tags)
                    return True

                if not await self._asked(invalidate):
                    return False
                for tag, one in owed.items():
                    if self._owed.get(tag) is one:  # else it was owed once more meanwhile
                        del self._owed[tag]
        return True

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return the answer of the store; None where there is none."""
        if self._breaker.state is not State.CLOSED:
            return None
        question = self._breaker.ask(self._clock.now())
        assert question is not None
        answer, why = await self._within(self._timeout_s, ask)
        if why and self._breaker.failed(question, self._clock.now()):
            self._events.emit(StoreChanged("cache", False, why))
            self._tend()
        return answer

    async def _within(
        self, timeout_s: float, ask: Callable[[], Awaitable[T]]
    ) -> tuple[T | None, str]:
        """Return the answer of the store, or why there is none."""
        try:
            with Expiry(self._clock, self._clock.now() + timeout_s):
                return await ask(), ""
        except Expired:
            return None, "it does not answer in time"
        except Exception as error:  # whatever a client of a store may raise
            return None, f"it fails with {type(error).__name__}"

    def _tend(self) -> None:
        self._down.set()
        if self._tending is None:
            self._tending = asyncio.get_running_loop().create_task(
                self._probe_while_down(), name="cache-store"
            )

    async def _probe_while_down(self) -> None:
        breaker, clock = self._breaker, self._clock
        while True:
            await self._down.wait()
            await clock.sleep(breaker.retry_after_s(clock.now()))
            question = breaker.ask(clock.now())
            if question is None:
                continue
            _, why = await self._within(_PROBE_S, lambda: self._store.marks(()))
            if why:
                breaker.failed(question, clock.now())
                if not self._tried.is_set():
                    self._events.emit(StoreChanged("cache", False, why))
            else:
                breaker.succeeded(question)
                self._down.clear()
                self._events.emit(StoreChanged("cache", True, "it answers"))
            self._tried.set()
