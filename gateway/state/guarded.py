"""A shared store of limits that no call pays for when it is slow or gone.

Rules:
1. A store is SPARED or ASKED. It begins as SPARED, and is opened at once, in the background.
2. SPARED: no question is asked; each is answered by its limits' `on_store_failure`. One
   attempt to open the store at a time, in the background, so no call waits for it; after
   each that failed comes a pause: `first_pause_s`, twice as long each time, at most
   `max_pause_s`, and of that a random half to all, so processes do not come back together.
3. ASKED: questions are asked. One without an answer in time is answered as in 2. The store
   says itself that it ended (a connection lost, several failures in a row: `redis_link.py`);
   then it is SPARED, and every question under way is answered as in 2 at once.
4. A store that ends again within `steady_s` of being opened goes on with the pause where it
   was: one that opens well and answers badly is asked less and less often.
5. `StoreChanged` is told once a change, the first one included.
6. What a limit's `on_store_failure` says is in `fallback.py`.

The pauses are those of gRPC's connection backoff (doc/connection-backoff.md).
"""

import asyncio
import enum
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.events import Events, StoreChanged
from gateway.state.fallback import Fallback
from gateway.state.limits import Decision, Hit, LimitStore
from gateway.state.shared import SharedStore, Unavailable

_log = logging.getLogger(__name__)
EXACT: Final = "exact"
_NOT_YET = "nobody has reached it yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardOptions:
    """Seconds.

    Args:
        open_timeout_s: for one attempt to open the store.
        first_pause_s: after the first that failed.
        max_pause_s: the longest.
        steady_s: open for so long, a store is taken for well again.
    """

    open_timeout_s: float = 1.0
    first_pause_s: float = 0.05
    max_pause_s: float = 2.0
    steady_s: float = 10.0


class State(enum.Enum):
    """Of a store."""

    SPARED = "spared"
    ASKED = "asked"


class Change(enum.Enum):
    """What happened to it."""

    OPENED = "opened"
    NOT_OPENED = "not opened"
    ENDED = "ended"


TRANSITIONS: Final = {
    (State.SPARED, Change.OPENED): State.ASKED,
    (State.SPARED, Change.NOT_OPENED): State.SPARED,
    (State.ASKED, Change.ENDED): State.SPARED,
}
"""What is not here does not happen."""


class Breaker:
    """When a store is asked, and when it is tried again. Pure.

    Args:
        options: of the guard.
    """

    def __init__(self, options: GuardOptions) -> None:
        self._options = options
        self._failures = 0
        self._opened_at = float("-inf")
        self.state = State.SPARED

    def on(self, change: Change, now: float) -> bool:
        """Take note of a change; return whether the state is another one now."""
        before = self.state
        self.state = TRANSITIONS[before, change]
        if change is Change.OPENED:
            self._opened_at = now
        elif change is Change.NOT_OPENED or now < self._opened_at + self._options.steady_s:
            self._failures += 1
        else:
            self._failures = 1
        return self.state is not before

    def pause_s(self, rng: Rng) -> float:
        """Return how long to wait before the next attempt."""
        if not self._failures:
            return 0.0
        doublings = min(self._failures - 1, 30)
        longest = min(self._options.max_pause_s, self._options.first_pause_s * 2.0**doublings)
        return longest * (0.5 + rng.random() / 2)


class StoreState(NamedTuple):
    """For metrics and people.

    Args:
        available: whether the store is asked.
        mode: "exact", or "on_store_failure" where each limit's own holds.
        why: a short phrase; "" while it is available.
    """

    available: bool
    mode: str
    why: str


class GuardedLimits(LimitStore):
    """A `LimitStore` over one that may fail; never raises but for a cancelled caller.

    Args:
        shared: is asked while it answers.
        clock: whose time counts.
        rng: for the pauses.
        events: are told of changes.
        options: of the guard.
    """

    def __init__(
        self,
        shared: SharedStore,
        clock: Clock,
        rng: Rng,
        events: Events,
        options: GuardOptions | None = None,
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._rng = rng
        self._events = events
        self._options = options or GuardOptions()
        self._breaker = Breaker(self._options)
        self._fallback = Fallback(clock)
        self._told = False
        self._why = _NOT_YET
        self._asked = False
        self._tending: asyncio.Task[None] | None = None
        self._tried: asyncio.Event = asyncio.Event()
        self._spared: asyncio.Event = asyncio.Event()

    @property
    def state(self) -> StoreState:
        """What holds now."""
        if self._asked:
            return StoreState(True, EXACT, "")
        return StoreState(False, "on_store_failure", self._why)

    async def start(self) -> None:
        """Begin to open the store; return when the first attempt is over, whatever came of it."""
        self._begin()
        await self._tried.wait()

    async def take(self, hits: Sequence[Hit]) -> Decision:
        """Count a call against each of `hits`, or against none; see `LimitStore`."""
        if self._asked:
            decision = await self._shared.take(hits)
            if decision is not None:
                return decision
        elif self._tending is None:
            self._begin()
        return self._fallback.take_now(hits)

    async def close(self) -> None:
        """Give back the connection, and end what runs in the background."""
        self._asked = False
        self._why = "it is closed"
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait((self._tending,))
        await self._shared.close()

    def _begin(self) -> None:
        if self._tending is None:
            loop = asyncio.get_running_loop()
            self._tending = loop.create_task(self._tend(), name="limit-store")

    async def _tend(self) -> None:
        while True:
            pause_s = self._breaker.pause_s(self._rng)
            if pause_s:
                await self._clock.sleep(pause_s)
            self._spared.clear()
            why = await self._open()
            if why:
                self._change(Change.NOT_OPENED, why)
            self._tried.set()
            if not why:
                await self._spared.wait()

    async def _open(self) -> str:
        """Open the store; return why it does not, "" where it does."""
        try:
            with Expiry(self._clock, self._clock.now() + self._options.open_timeout_s):
                await self._shared.open(self._ended)
                self._change(Change.OPENED, "it answers")
        except Expired:
            return "it cannot be reached in time"
        except Unavailable as unavailable:
            return str(unavailable)
        except Exception:
            _log.exception("a store of limits could not be opened")
            return "it cannot be opened"
        return ""

    def _ended(self, why: str) -> None:
        if self._asked:
            self._change(Change.ENDED, why)
            self._spared.set()

    def _change(self, change: Change, why: str) -> None:
        changed = self._breaker.on(change, self._clock.now())
        self._asked = self._breaker.state is State.ASKED
        self._why = why
        if changed or not self._told:
            self._told = True
            self._events.emit(StoreChanged("limits", self._asked, why))
