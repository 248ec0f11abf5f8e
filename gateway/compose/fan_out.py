"""An answer made of other methods' answers, called at once.

The end of a pipeline, where a REST target stands in others.

Rules:
1. All branches begin at once, each a call of its own in a task of its own; none outlives
   the call, and a slow or failing one holds up no other.
2. A REQUIRED branch that fails for good ends the call with its error, which names the
   branch; the others are cancelled.
3. An OPTIONAL branch that fails leaves its field unset.
4. Of the QUORUM branches so many must answer. When too few can any more, the call ends
   with QUORUM_MISSED and the code of the last failure, and the others are cancelled. A
   quorum that is reached still waits for the rest: a fuller answer is a better one.
5. Branches end a reserve before the call's deadline, so that the answer made of those that
   are there arrives. One that does not make it failed with DEADLINE_EXCEEDED.
6. What is missing is told, in the order of the branches, by `seawall-missing` in the
   trailing metadata ("orders=UNAVAILABLE") and by PartMissing. What a branch tells of its
   own parts and fallbacks goes on with its field in front ("orders.lines=UNAVAILABLE").
7. All answers together are no larger than one may be.
8. A call that fails may have had an effect if any branch but its last made an attempt.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.compose.mapping import MessageMapping
from gateway.compose.part import ANSWERED_BY, MISSING, Entry, EntryOf, Part, ends_before
from gateway.compose.together import Lost, run_together
from gateway.core.call import Call
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.events import Events, PartMissing
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code

_TOLD_ON = frozenset((MISSING, ANSWERED_BY))


class Need(enum.Enum):
    """What the failure of a branch means; see seawall.policy.v1.FanOutBranch.Need."""

    REQUIRED = 1
    OPTIONAL = 2
    QUORUM = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchOptions:
    """One call of a fan-out.

    Args:
        method: full name of the method called.
        field: of the answer, for people.
        request: makes its request of the call's.
        answer: fills the field from its answer.
        need: what it means if it fails.
        timeout_s: the longest it may take.
    """

    method: str
    field: str
    request: MessageMapping
    answer: MessageMapping
    need: Need = Need.REQUIRED
    timeout_s: float = float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class FanOutOptions:
    """See seawall.policy.v1.FanOutPolicy.

    Args:
        branches: at least one.
        new_answer: class of the answer.
        quorum: QUORUM branches that must answer; 0 where there are none.
        reserve_s: kept to put the answer together; None for 5 % of what remains of the
            deadline, at most 0.1 s.
        max_response_bytes: of all answers together.
    """

    branches: Sequence[BranchOptions]
    new_answer: Any
    quorum: int = 0
    reserve_s: float | None = None
    max_response_bytes: int = 4 * 1024 * 1024


class Tally:
    """Which branches have failed, and whether the call can still succeed; no clock, no I/O."""

    __slots__ = ("_may_fail", "_options", "_voters", "outcomes")

    def __init__(self, options: FanOutOptions) -> None:
        self._options = options
        self.outcomes: list[Outcome | None] = [None] * len(options.branches)
        self._voters = sum(branch.need is Need.QUORUM for branch in options.branches)
        self._may_fail = self._voters - options.quorum

    def ended(self, index: int, outcome: Outcome) -> CallError | None:
        """Take note of how a branch ended; return the call's error where it is lost."""
        self.outcomes[index] = outcome
        error = outcome.error
        if error is None:
            return None
        branch = self._options.branches[index]
        what = f"the part {branch.field!r} ({branch.method}) failed: {error.message}"
        if branch.need is Need.REQUIRED:
            return replace(error, message=what)
        if branch.need is Need.QUORUM:
            self._may_fail -= 1
            if self._may_fail < 0:
                left = self._options.quorum + self._may_fail
                return CallError(
                    error.code,
                    Reason.QUORUM_MISSED,
                    f"{self._options.quorum} of {self._voters} parts are needed and {left} "
                    f"can answer; {what}",
                    origin=error.origin,
                    sent=error.sent,
                    transient=error.transient,
                    retry_after_s=error.retry_after_s,
                    upstream=error.upstream,
                )
        return None


class _Gathering:
    """One call's parts so far."""

    __slots__ = ("call", "ends_at", "now", "parts", "room", "tally")

    def __init__(self, call: Call, options: FanOutOptions, now: float) -> None:
        self.call = call
        self.now = now
        self.ends_at = ends_before(now, call.deadline_at, options.reserve_s)
        self.parts: list[Part | None] = [None] * len(options.branches)
        self.room = options.max_response_bytes
        self.tally = Tally(options)

    def others_tried(self, part: Part) -> bool:
        """Tell whether any other part made an attempt."""
        return any(one is not None and one is not part and one.attempts for one in self.parts)


class FanOutTarget:
    """Calls the branches and answers with what they say.

    Args:
        options: of the method.
        entry_of: returns the entry of a branch's method; asked at the first call.
        clock: for the branches' ends.
        events: told of missing parts.
    """

    def __init__(
        self, options: FanOutOptions, entry_of: EntryOf, clock: Clock, events: Events
    ) -> None:
        self._options = options
        self._entry_of = entry_of
        self._entries: tuple[Entry, ...] = ()
        self._clock = clock
        self._events = events

    async def __call__(self, call: Call) -> Outcome:
        """Answer the call."""
        branches = self._options.branches
        if not self._entries:
            self._entries = tuple(self._entry_of(branch.method) for branch in branches)
        gathering = _Gathering(call, self._options, self._clock.now())
        try:
            await run_together(self._branch(gathering, i) for i in range(len(branches)))
        except Lost as lost:
            return lost.outcome
        payload = self._answer(gathering)
        await call.send(payload)
        return SUCCESS

    async def _branch(self, gathering: _Gathering, index: int) -> None:
        options, entry = self._options.branches[index], self._entries[index]
        call = gathering.call
        ends_at = min(gathering.ends_at, gathering.now + options.timeout_s)
        part = Part(call, entry.method, options.request.make(call.message), ends_at)
        part.key_path = f"{call.key_path}/{options.field}"
        gathering.parts[index] = part
        outcome = await part.run(entry.run, self._clock)
        error = gathering.tally.ended(index, outcome)
        if error is not None:
            if gathering.others_tried(part):
                error = replace(error, sent=Sent.UNKNOWN)
            raise Lost(Outcome(outcome.kind, error))
        gathering.room -= len(part.answer)
        if gathering.room < 0:
            raise Lost(failed(too_large(self._options.max_response_bytes)))

    def _answer(self, gathering: _Gathering) -> bytes:
        answer = self._options.new_answer()
        for branch, entry, part, outcome in zip(
            self._options.branches,
            self._entries,
            gathering.parts,
            gathering.tally.outcomes,
            strict=True,
        ):
            assert part is not None
            assert outcome is not None
            trailing = gathering.call.trailing_metadata
            if outcome.error is None:
                branch.answer.fill(entry.response_type.FromString(part.answer), answer)
                for key, value in part.trailing_metadata:
                    if key in _TOLD_ON:
                        trailing.append((key, f"{branch.field}.{value!s}"))
            else:
                trailing.append((MISSING, f"{branch.field}={outcome.error.code.name}"))
                self._events.emit(PartMissing(gathering.call, branch.field, outcome))
        payload: bytes = answer.SerializePartialToString()
        return payload


def too_large(max_bytes: int) -> CallError:
    """Return the error for parts that are larger together than an answer may be."""
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.UPSTREAM_ANSWER_TOO_LARGE,
        f"the parts of the answer are larger than {max_bytes} bytes together",
        sent=Sent.ANSWERED,
    )
