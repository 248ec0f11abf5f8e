"""Equal calls at one time are one call of the upstream.

Sits behind the cache, so that what is kept costs nothing here, and outside retries. Never a
default: a read that joins a call begun before a write may miss that write.

Rules:
1. The first of equal calls begins a flight (core/flight.py); calls that come while it is under
   way join it. Its credential is the one of whoever began it: equal calls have the same, or
   the method says that its answer does not depend on it (the key, transcode/sharing.py).
2. With a window, an answer is given to calls that come after it, until the window has passed
   since the flight began. Failures are shared with those that waited, and with nobody later.
3. After a write: where the method has tags, a call joins only what began with the marks that
   its tags have now (state/marks.py); else it begins a flight of its own, which later calls
   join.
4. Bounded: with `max_flights` under way a call goes alone; answers of windows are kept up to
   `MAX_KEPT_BYTES` together.
5. Who joined is told in the trailing metadata: `seawall-coalesced: true`.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.events import CallCoalesced, Events
from gateway.core.flight import Flight, Landing, deliver
from gateway.core.outcome import Outcome

MAX_KEPT_BYTES: Final = 32 * 1024 * 1024
_ENTRY_BYTES: Final = 512
_COALESCED: Final = ("seawall-coalesced", "true")


@dataclass(frozen=True, kw_only=True, slots=True)
class CoalesceOptions:
    """See seawall.policy.v1.CoalescingPolicy.

    Args:
        window_s: how long an answer is shared, from the beginning of its flight.
        max_flights: that may be joined at once.
    """

    window_s: float = 0.0
    max_flights: int = 10_000


class _Joint(NamedTuple):
    """A flight that calls may join, with the marks that it began with."""

    flight: Flight
    marks: Hashable


class _Kept(NamedTuple):
    """An answer within its window."""

    landing: Landing
    marks: Hashable


class CoalesceInterceptor:
    """Once a call of one method.

    Args:
        options: of the method.
        key_of: tells equal calls, which are decoded.
        clock: of the window.
        events: are told of calls that joined.
        marks: returns the marks of a call's tags now; None where it has none.
    """

    name = "coalesce"

    def __init__(
        self,
        options: CoalesceOptions,
        key_of: Callable[[Call], bytes],
        clock: Clock,
        events: Events,
        marks: Callable[[Call], Awaitable[Hashable]] | None = None,
    ) -> None:
        self._options = options
        self._key_of = key_of
        self._clock = clock
        self._events = events
        self._marks = marks
        self._under_way: dict[bytes, _Joint] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._kept_bytes = 0

    @property
    def under_way(self) -> int:
        """Flights that may be joined."""
        return len(self._under_way)

    @property
    def kept_bytes(self) -> int:
        """What answers within their windows take."""
        return self._kept_bytes

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Join an equal call, or begin what others may join."""
        key = self._key_of(call)
        marks: Hashable = None if self._marks is None else await self._marks(call)
        kept = self._kept.get(key)
        if kept is not None and kept.marks == marks:
            return await self._shared(kept.landing, call)
        joint = self._under_way.get(key)
        if joint is not None and joint.marks == marks:
            return await self._shared(await joint.flight.join(call), call)
        if len(self._under_way) >= self._options.max_flights:
            return await call_next(call)
        flight = self._begin(key, marks, call, call_next)
        landing = await flight.join(call)
        call.attempts = landing.attempts
        return await deliver(landing, call)

    async def _shared(self, landing: Landing, call: Call) -> Outcome:
        self._events.emit(CallCoalesced(call))
        call.trailing_metadata.append(_COALESCED)
        return await deliver(landing, call)

    def _begin(self, key: bytes, marks: Hashable, call: Call, call_next: CallNext) -> Flight:
        """Begin a flight, in place of one that began before a write."""
        until = self._clock.now() + self._options.window_s

        def ended(flight: Flight) -> None:
            joint = self._under_way.get(key)
            if joint is not None and joint.flight is flight:
                del self._under_way[key]
                landing = flight.landing
                if landing is not None and landing.outcome.error is None:
                    self._keep(key, landing, marks, until)

        flight = Flight(call_next, call, self._clock, ended=ended)
        self._under_way[key] = _Joint(flight, marks)
        return flight

    def _keep(self, key: bytes, landing: Landing, marks: Hashable, until: float) -> None:
        """Keep an answer for what is left of its window."""
        size = len(landing.answer) + _ENTRY_BYTES
        if self._clock.now() >= until or self._kept_bytes + size > MAX_KEPT_BYTES:
            return
        before = self._kept.get(key)
        if before is not None:
            self._forget(key, before)
        kept = self._kept[key] = _Kept(landing, marks)
        self._kept_bytes += size
        self._clock.call_at(until, lambda: self._forget(key, kept))

    def _forget(self, key: bytes, kept: _Kept) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]
            self._kept_bytes -= len(kept.landing.answer) + _ENTRY_BYTES
