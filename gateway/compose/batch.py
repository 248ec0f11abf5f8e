"""Many single reads inside a short window are one call of a bulk method.

In the place of an interceptor, behind the cache: what is kept needs no call.

Rules:
1. The first call opens a window; calls that come meanwhile and differ in nothing but their key
   (of one credential, or of any where the answer does not depend on it) are of one batch. It
   is sent when the window is over, or at once with `max_keys` different keys.
2. Calls of one key share its item. A call alone in its batch goes its own way.
3. A call that is cancelled, or whose deadline passes, leaves the others alone; its key is not
   asked for where the batch was not sent yet and nobody else wants it. The last one out cancels
   (core/flight.py).
4. The answer's items are matched by their keys. A key without an item is NOT_FOUND for those
   that asked for it, and for nobody else. Of two items of one key the first counts; items that
   nobody asked for are left aside.
5. A bulk call that fails, fails all of its batch, each with that error. But one that is refused
   for what it asks for is made again as single calls: nobody is refused for another one's key.
6. So many batches may be open or under way; beyond them a call goes alone.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from gateway.compose.mapping import MessageMapping
from gateway.compose.part import Entry, EntryOf, Part
from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import BatchSent, CallBatched, Events
from gateway.core.flight import Flight, FlightCall
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code, code_for_http

MAX_BATCHES: Final = 10_000
_MOST_QUOTED: Final = 100
_OF_A_KEY: Final = frozenset(
    (Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE)
)
"""Failures that one key of a bulk call may have brought about."""
_NOT_FOUND: Final = 404
"""What a single read of an item that is not there would be answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOptions:
    """See seawall.policy.v1.BatchPolicy.

    Args:
        method: full name of the bulk method.
        key: field of a call's request that tells items apart.
        keys: repeated field of the bulk request.
        rest: makes the bulk request of a call's request; its keys are added.
        items: repeated field of the bulk answer.
        item_key: path of the key in an item.
        answer: fills a call's answer from an item; what has no value leaves it empty.
        new_answer: class of a call's answer.
        window_s: seconds.
        max_keys: of one bulk call.
    """

    method: str
    key: str
    keys: str
    rest: MessageMapping
    items: str
    item_key: str
    answer: MessageMapping
    new_answer: Any
    window_s: float = 0.005
    max_keys: int = 100


class _Batch:
    """Calls of one window."""

    __slots__ = ("alone", "flight", "found", "full", "open", "wanted")

    def __init__(self) -> None:
        self.wanted: dict[Any, int] = {}
        """Keys, and how many wait for each."""
        self.full = asyncio.Event()
        self.open = True
        self.alone = False
        self.found: Mapping[Any, bytes] = {}
        """Answers by key, once the bulk call has answered."""
        self.flight: Flight


class BatchInterceptor:
    """Once a call of one method.

    Args:
        options: of the method.
        group_of: tells which calls differ in nothing but their key.
        entry_of: returns the entry of the bulk method; asked at the first batch.
        clock: of the window.
        events: are told of batches.
    """

    name = "batch"

    def __init__(
        self,
        options: BatchOptions,
        group_of: Callable[[Call], bytes],
        entry_of: EntryOf,
        clock: Clock,
        events: Events,
    ) -> None:
        self._options = options
        self._group_of = group_of
        self._entry_of = entry_of
        self._entry: Entry | None = None
        self._clock = clock
        self._events = events
        self._key_of = attrgetter(options.key)
        self._item_key_of = attrgetter(options.item_key)
        self._open: dict[bytes, _Batch] = {}
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Batches that are open, or sent and not answered."""
        return self._under_way

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Ask together with others."""
        key, group = self._key_of(call.message), self._group_of(call)
        batch = self._open.get(group)
        if batch is None:
            if self._under_way >= MAX_BATCHES:
                return await call_next(call)
            batch = self._begin(group, call, call_next)
        wanted = batch.wanted
        wanted[key] = wanted.get(key, 0) + 1
        if len(wanted) >= self._options.max_keys:
            self._shut(group, batch)
        try:
            landing = await batch.flight.join(call)
        except asyncio.CancelledError:
            if batch.open:
                wanted[key] -= 1
                if not wanted[key]:
                    del wanted[key]
            raise
        error = landing.outcome.error
        if error is not None:
            if not batch.alone and error.code in _OF_A_KEY:
                return await call_next(call)
            return landing.outcome
        if batch.alone:
            call.attempts = landing.attempts
            call.trailing_metadata += landing.trailing
            await call.send(landing.answer)
            return SUCCESS
        self._events.emit(CallBatched(call))
        answer = batch.found.get(key)
        if answer is None:
            return failed(self._missing(key))
        call.trailing_metadata += landing.trailing
        await call.send(answer)
        return SUCCESS

    def _begin(self, group: bytes, call: Call, call_next: CallNext) -> _Batch:
        batch = self._open[group] = _Batch()
        self._under_way += 1

        async def run(flight_call: Call) -> Outcome:
            assert isinstance(flight_call, FlightCall)
            await self._window(group, batch)
            if len(batch.wanted) == 1:
                batch.alone = True
                (key,) = batch.wanted
                if self._key_of(flight_call.message) != key:  # whoever began it has left
                    flight_call.message = self._with_key(flight_call.message, key)
                return await call_next(flight_call)
            return await self._ask(flight_call, batch)

        def ended(_flight: Flight) -> None:
            self._under_way -= 1
            self._shut(group, batch)

        batch.flight = Flight(run, call, self._clock, ended=ended)
        return batch

    async def _window(self, group: bytes, batch: _Batch) -> None:
        """Return when the batch is to be sent."""
        full = self._clock.call_at(self._clock.now() + self._options.window_s, batch.full.set)
        try:
            await batch.full.wait()
        finally:
            full.cancel()
            self._shut(group, batch)

    def _shut(self, group: bytes, batch: _Batch) -> None:
        """Let nobody join any more."""
        batch.open = False
        batch.full.set()
        if self._open.get(group) is batch:
            del self._open[group]

    def _with_key(self, message: Any, key: Any) -> Any:
        copy = type(message)()
        copy.CopyFrom(message)
        *heads, name = self._options.key.split(".")
        holder = copy
        for head in heads:
            holder = getattr(holder, head)
        setattr(holder, name, key)
        return copy

    async def _ask(self, call: FlightCall, batch: _Batch) -> Outcome:
        """Make the bulk call, and keep its items by key."""
        options = self._options
        if self._entry is None:
            self._entry = self._entry_of(options.method)
        entry = self._entry
        request = entry.request_type()
        options.rest.fill(call.message, request)
        getattr(request, options.keys).extend(batch.wanted)
        self._events.emit(BatchSent(call, len(batch.wanted)))
        part = Part(call, entry.method, request, float("inf"))
        outcome = await part.run(entry.run, self._clock)
        call.trailing_metadata += part.trailing_metadata
        if outcome.error is not None:
            return outcome
        answer = entry.response_type.FromString(part.answer)
        found: dict[Any, bytes] = {}
        for item in getattr(answer, options.items):
            key = self._item_key_of(item)
            if key in batch.wanted and key not in found:
                single = options.new_answer()
                options.answer.fill(item, single)
                found[key] = single.SerializePartialToString()
        batch.found = found
        return SUCCESS

    def _missing(self, key: Any) -> CallError:
        shown = str(key)[:_MOST_QUOTED]
        return CallError(
            code_for_http(_NOT_FOUND, {}),
            Reason.UPSTREAM_STATUS,
            f"{self._options.method} answered without an item for {shown!r}",
            origin=Origin.UPSTREAM,
            sent=Sent.ANSWERED,
            http_status=_NOT_FOUND,
        )
