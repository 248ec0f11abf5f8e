"""An operation that is several calls, in order.

Rules:
1. Each step enters another method behind that one's decode, with its retries, breaker and
   deduplication, by a key of its own: made of the operation and the step's name, the same in
   every attempt.
2. What a step answered is kept before the next begins. An attempt goes on behind the last step
   that was kept; after a crash that may be a step which was done, whose key tells.
   Where what is done are not the first of the steps that are declared by now, nobody knows what
   is missing: the operation fails and says so.
3. A step that fails ends the attempt. Steps before it stay done.
4. The answer is made of the last step's.
"""

import base64
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from gateway.compose.mapping import MessageMapping
from gateway.compose.part import Entry, EntryOf, Part
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.operations.options import Step
from gateway.operations.work import Attempted, Keep, Progress, WorkCall

_KEY_CHARACTERS: Final = 40


def step_key(operation_id: str, step: str) -> str:
    """Return the idempotency key of a step."""
    return sha256(f"{operation_id}\0{step}".encode()).hexdigest()[:_KEY_CHARACTERS]


class Steps:
    """Makes what is missing of them.

    Args:
        steps: in order.
        answer: makes the response of the last one's.
        entry_of: returns the entry of a method; at the first attempt.
        clock: for their ends.
    """

    def __init__(
        self, steps: Sequence[Step], answer: MessageMapping, entry_of: EntryOf, clock: Clock
    ) -> None:
        self._steps = tuple(steps)
        self._answer = answer
        self._entry_of = entry_of
        self._entries: dict[str, Entry] = {}
        self._clock = clock

    async def __call__(self, call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        """Make the steps behind the last that is done."""
        done = list(progress.steps)
        if [name for name, _ in done] != [step.name for step in self._steps[: len(done)]]:
            return Attempted(Landing(failed(_other_steps(done))), progress.pack())
        for step in self._steps[len(done) :]:
            outcome, answer = await self._make(step, call)
            if outcome.error is not None:
                landing = Landing(outcome, b"", (), call.attempts)
                return Attempted(landing, progress._replace(steps=tuple(done)).pack())
            done.append((step.name, base64.b64encode(answer).decode()))
            await keep(Progress(tuple(done)).pack())
        entry = self._entry(self._steps[-1])
        last = entry.response_type.FromString(base64.b64decode(done[-1][1]))
        answer = self._answer.make(last).SerializeToString()
        packed = Progress(tuple(done)).pack()
        return Attempted(Landing(SUCCESS, answer, (), call.attempts), packed)

    async def _make(self, step: Step, call: WorkCall) -> tuple[Outcome, bytes]:
        entry = self._entry(step)
        request = entry.request_type()
        step.request.fill(call.message, request)
        part = Part(call, entry.method, request, call.deadline_at)
        key = (step.key_metadata, step_key(call.operation_id, step.name))
        part.metadata = [*(pair for pair in part.metadata if pair[0] != key[0]), key]
        part.key_path = ""
        outcome = await part.run(entry.run, self._clock)
        return outcome, part.answer

    def _entry(self, step: Step) -> Entry:
        entry = self._entries.get(step.method)
        if entry is None:
            entry = self._entries[step.method] = self._entry_of(step.method)
        return entry


def _other_steps(done: Iterable[tuple[str, str]]) -> CallError:
    return CallError(
        Code.FAILED_PRECONDITION,
        Reason.OUTCOME_UNKNOWN,
        f"its steps {', '.join(repr(name) for name, _ in done)} are done, and they are not the "
        "first of operation.steps any more: what is left to do nobody knows",
        sent=Sent.UNKNOWN,
    )
