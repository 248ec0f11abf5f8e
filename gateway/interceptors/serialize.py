"""One call at a time for each value of a field, in the order of arrival.

1. Whoever asks for a key that nobody holds gets it at once. Everybody else waits; the turn
   is handed on to the one that has waited longest, so that nobody newer comes between.
2. A call holds its turn until it is over, with all its attempts; its end, whatever it is,
   hands the turn on. Waiting ends with the call's deadline, as everything does.
3. A waiter that is cancelled leaves the line; one cancelled while the turn was handed to it
   hands it on.
4. At most `max_queued` calls wait for one key, and at most `max_keys` keys are held. One
   more is RESOURCE_EXHAUSTED at once. A key without calls leaves no trace.
5. A call without a key waits for nobody.

`Turns` is what the interceptor needs of it. `KeyedTurns` keeps turns in this process;
`gateway.state.turns` has those that several processes share.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gateway.core.call import Call, CallNext
from gateway.core.errors import CallError, Reason, refused
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code
from gateway.state.records import StoreUnavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class SerializeOptions:
    """See seawall.policy.v1.SerializePolicy.

    Args:
        max_queued: calls that wait for one key.
        max_keys: keys that are held at once.
        name: of what is serialized together: methods with one name share their turns.
        across_processes: all that share a store have one line.
    """

    max_queued: int = 100
    max_keys: int = 10_000
    name: str = ""
    across_processes: bool = False


class Turns(Protocol):
    """Hands out one turn a key."""

    async def take(self, key: str) -> str | None:
        """Return None once `key` is held, or at once why it cannot be waited for.

        A cancelled `take` holds nothing.

        Raises:
            StoreUnavailable: the store that processes share does not answer.
        """

    def give_back(self, key: str) -> None:
        """End a turn that `take` gave. Does not wait, so that every end of a call can."""


_Waiter = asyncio.Future[None]
_NOBODY: deque[_Waiter] = deque(maxlen=0)
"""Shared by all keys that nobody waits for; never added to."""


class KeyedTurns:
    """Turns of one process.

    Args:
        options: bounds.
    """

    __slots__ = ("_held", "_options")

    def __init__(self, options: SerializeOptions) -> None:
        self._options = options
        self._held: dict[str, deque[_Waiter]] = {}

    @property
    def keys(self) -> int:
        """Keys that are held."""
        return len(self._held)

    def waiting(self, key: str) -> int:
        """Return how many wait for `key`."""
        return len(self._held.get(key, _NOBODY))

    async def take(self, key: str) -> str | None:
        """Return None once `key` is held, or at once why it cannot be waited for."""
        line = self._held.get(key)
        if line is None:
            if len(self._held) >= self._options.max_keys:
                return f"calls of {len(self._held)} other keys are under way"
            self._held[key] = _NOBODY
            return None
        if len(line) >= self._options.max_queued:
            return f"{len(line)} calls for the same key wait already"
        if line is _NOBODY:
            line = self._held[key] = deque()
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        line.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):  # a turn handed on meanwhile has passed it by
                    line.remove(waiter)
            else:
                self.give_back(key)
            raise
        return None

    def give_back(self, key: str) -> None:
        """Hand the turn to the one that has waited longest, or forget the key."""
        line = self._held[key]
        while line:
            waiter = line.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        del self._held[key]


def serialized(why: str) -> CallError:
    """Return the error of a call that may not wait for its turn."""
    return refused(
        Code.RESOURCE_EXHAUSTED,
        Reason.SERIALIZED,
        f"calls for one key are made one at a time, and {why}",
        retry_after_s=None,
    )


def _away(unavailable: StoreUnavailable) -> CallError:
    return refused(
        Code.UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        "calls for one key are made one at a time, and the store that all processes share "
        f"cannot be asked: {unavailable.why}; nothing was sent",
        retry_after_s=unavailable.retry_after_s,
    )


class SerializeInterceptor:
    """Once a call, outside retries.

    Args:
        turns: shared by what is serialized together.
        key_of: returns the key of a decoded call; "" for none.
        events: are told of refusals.
    """

    name = "serialize"

    def __init__(self, turns: Turns, key_of: Callable[[Call], str], events: Events) -> None:
        self._turns = turns
        self._key_of = key_of
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the call when it is its turn, or refuse it."""
        key = self._key_of(call)
        if not key:
            return await call_next(call)
        try:
            why = await self._turns.take(key)
        except StoreUnavailable as unavailable:
            return self._refused(call, _away(unavailable))
        if why is not None:
            return self._refused(call, serialized(why))
        try:
            return await call_next(call)
        finally:
            self._turns.give_back(key)

    def _refused(self, call: Call, error: CallError) -> Outcome:
        self._events.emit(CallRefused(call, self.name, error))
        return failed(error)
