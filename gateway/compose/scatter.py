"""One call for each item of a request, and a status for each of them.

The end of a pipeline, where a REST target stands in others.

Rules:
1. So many calls at once, begun in the order of the items; when one ends the next begins.
   A slow item keeps one place and holds up no other.
2. The results are in the order of the items. Each has the answer or the status, as a
   google.rpc.Status, of its own call; the call itself succeeds.
3. Calls end a reserve before the deadline. What has not ended then, or not begun, failed
   with DEADLINE_EXCEEDED, and the results that are there arrive.
4. A request with too many items is INVALID_ARGUMENT and calls nothing; one without items
   is answered without results.
5. Everything the items were answered is no larger together than one answer may be.
6. An item that failed is told by PartMissing, as "results[3]".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.compose.fan_out import too_large
from gateway.compose.mapping import MessageMapping
from gateway.compose.part import Entry, EntryOf, Part, ends_before
from gateway.compose.status import fill_status
from gateway.compose.together import Lost, run_together
from gateway.core.call import Call
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Reason, invalid_request
from gateway.core.events import Events, PartMissing
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code


@dataclass(frozen=True, kw_only=True, slots=True)
class ScatterOptions:
    """See seawall.policy.v1.ScatterPolicy.

    Args:
        method: full name of the method called.
        items: the repeated field of the request.
        results: the repeated field of the answer.
        new_answer: class of the answer.
        of_item: makes a call's request of an item.
        of_request: adds what is the same for all items; None for nothing.
        answer: fills a result from a call's answer.
        status: field of a result that takes the google.rpc.Status.
        max_parallel: calls at once.
        item_timeout_s: the longest one may take.
        max_items: of a request.
        reserve_s: kept to answer with what there is; None for 5 % of what remains of the
            deadline, at most 0.1 s.
        max_response_bytes: of all answers together.
    """

    method: str
    items: str
    results: str
    new_answer: Any
    of_item: MessageMapping
    of_request: MessageMapping | None = None
    answer: MessageMapping
    status: str = "status"
    max_parallel: int = 8
    item_timeout_s: float = float("inf")
    max_items: int = 100
    reserve_s: float | None = None
    max_response_bytes: int = 4 * 1024 * 1024


_NOT_BEGUN = failed(
    CallError(
        Code.DEADLINE_EXCEEDED,
        Reason.DEADLINE_EXCEEDED,
        "the time for all items ran out before this one was begun",
        transient=True,
    )
)


class _Batch:
    """One call's items."""

    __slots__ = ("answers", "call", "ends_at", "items", "outcomes", "room", "waiting")

    def __init__(self, call: Call, items: Any, ends_at: float, room: int) -> None:
        self.call = call
        self.items = items
        self.ends_at = ends_at
        self.room = room
        self.waiting: Iterator[int] = iter(range(len(items)))
        self.outcomes: list[Outcome] = [_NOT_BEGUN] * len(items)
        self.answers: list[bytes] = [b""] * len(items)


class ScatterTarget:
    """Calls a method for each item and answers with all results.

    Args:
        options: of the method.
        entry_of: returns the entry of the method called; asked at the first call.
        clock: for the items' ends.
        events: told of items that failed.
    """

    def __init__(
        self, options: ScatterOptions, entry_of: EntryOf, clock: Clock, events: Events
    ) -> None:
        self._options = options
        self._entry_of = entry_of
        self._entry: Entry | None = None
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call) -> Outcome:
        """Answer the call."""
        options = self._options
        items = getattr(call.message, options.items)
        if len(items) > options.max_items:
            text = (
                f"the field {options.items!r} has {len(items)} items; "
                f"at most {options.max_items} are accepted"
            )
            return failed(invalid_request(text, options.items))
        if self._entry is None:
            self._entry = self._entry_of(options.method)
        ends_at = ends_before(self._clock.now(), call.deadline_at, options.reserve_s)
        batch = _Batch(call, items, ends_at, options.max_response_bytes)
        places = min(options.max_parallel, len(items))
        try:
            await run_together(self._work(batch, self._entry) for _ in range(places))
        except Lost as lost:
            return lost.outcome
        await call.send(self._answer(batch, self._entry))
        return SUCCESS

    async def _work(self, batch: _Batch, entry: Entry) -> None:
        """Call for one item after another, as long as any waits."""
        options, clock = self._options, self._clock
        for index in batch.waiting:  # each index goes to one place only
            now = clock.now()
            if now >= batch.ends_at:
                return
            message = options.of_item.make(batch.items[index])
            if options.of_request is not None:
                options.of_request.fill(batch.call.message, message)
            ends_at = min(batch.ends_at, now + options.item_timeout_s)
            part = Part(batch.call, entry.method, message, ends_at)
            part.key_path = f"{batch.call.key_path}/{options.results}[{index}]"
            batch.outcomes[index] = outcome = await part.run(entry.run, clock)
            if outcome.error is None:
                batch.answers[index] = part.answer
                batch.room -= len(part.answer)
                if batch.room < 0:
                    raise Lost(failed(too_large(options.max_response_bytes)))

    def _answer(self, batch: _Batch, entry: Entry) -> bytes:
        options = self._options
        answer = options.new_answer()
        results = getattr(answer, options.results)
        for index, (outcome, payload) in enumerate(zip(batch.outcomes, batch.answers, strict=True)):
            result = results.add()
            if outcome.error is None:
                options.answer.fill(entry.response_type.FromString(payload), result)
            else:
                fill_status(outcome.error, getattr(result, options.status))
                part = f"{options.results}[{index}]"
                self._events.emit(PartMissing(batch.call, part, outcome))
        serialized: bytes = answer.SerializePartialToString()
        return serialized
