"""What answers when a method does not: other methods, other upstreams, a fixed answer.

Behind decode, before encode: what is called instead sees the decoded request. What is
tried, and when, `chain.py` decides; here it is called.

Rules:
1. An answer reaches the caller when it is whole, so nothing is tried once a part of one
   has. A cancellation ends everything.
2. Which step answered is told by `seawall-answered-by` in the trailing metadata, with what
   that step had to tell; where the method itself did, there is none.
3. A chain that fails ends with the method's own error, and how the steps failed in short.
4. Every step that was tried is told by FallbackUsed.
5. Callers' credentials are for the method's own upstream: a step that leads to another one is
   called without them, unless that upstream says what becomes of them (`credentials.caller`).
6. The same method over another upstream is sent the call's idempotency key; another method
   makes a key of its own of it (a part's), where it has keys at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.compose.chain import (
    HARMLESS,
    Chain,
    FallbackOptions,
    FixedStep,
    MethodStep,
    UpstreamStep,
    primary_ends_at,
    shares_of,
    step_ends_at,
)
from gateway.compose.mapping import MessageMapping
from gateway.compose.part import ANSWERED_BY, Entry, EntryOf, Part
from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Sent
from gateway.core.events import Events, FallbackUsed
from gateway.core.outcome import SUCCESS, Outcome

_MAX_TOLD = 120
"""Characters of a step's error."""
_NOT_AGAIN = "; no fallback was called, since the request may have had its effect"


class _Way:
    """A step that is called; its entry is asked for once."""

    __slots__ = ("_entry", "_find", "_key_header", "_request", "_response", "idempotent", "name")

    def __init__(
        self,
        name: str,
        find: Callable[[], Entry],
        idempotent: bool,
        request: MessageMapping | None = None,
        response: MessageMapping | None = None,
        key_header: str = "",
    ) -> None:
        self.name = name
        self.idempotent = idempotent
        self._find = find
        self._key_header = key_header
        self._entry: Entry | None = None
        self._request = None if request is None or request.identity else request
        self._response = None if response is None or response.identity else response

    async def run(self, call: Call, ends_at: float, clock: Clock) -> tuple[Outcome, Part]:
        """Call it; the part's answer is one of the caller's method."""
        entry = self._entry
        if entry is None:
            entry = self._entry = self._find()
        message = call.message if self._request is None else self._request.make(call.message)
        part = Part(call, entry.method, message, ends_at)
        part.keep_from(entry.withheld)
        part.key_path = f"{call.key_path}/{self.name}"
        key = (call.added_headers or {}).get(self._key_header)
        if key is not None:
            part.added_headers = {self._key_header: key}
        outcome = await part.run(entry.run, clock)
        if outcome.error is None and self._response is not None:
            said = entry.response_type.FromString(part.answer)
            part.answer = self._response.make(said).SerializePartialToString()
        return outcome, part


class FallbackInterceptor:
    """Tries the method, then the steps.

    Args:
        options: of a unary method.
        entry_of: returns the entry of a step's method; asked when a step is first tried.
        upstream_of: returns the way of this same method over another upstream; likewise.
        clock: for the steps' ends.
        events: told of steps that were tried.
        key_header: in which the upstreams are sent the call's idempotency key; "" for none.
    """

    name = "fallback"

    def __init__(
        self,
        options: FallbackOptions,
        entry_of: EntryOf,
        upstream_of: EntryOf,
        clock: Clock,
        events: Events,
        key_header: str = "",
    ) -> None:
        self._options = options
        self._shares = shares_of(options)
        self._clock = clock
        self._events = events
        self._steps: list[_Way | FixedStep] = []
        for step in options.steps:
            match step:
                case MethodStep():
                    find = _finder(entry_of, step.method)
                    self._steps.append(
                        _Way(step.name, find, step.idempotent, step.request, step.response)
                    )
                case UpstreamStep():
                    find = _finder(upstream_of, step.upstream)
                    self._steps.append(
                        _Way(step.name, find, step.idempotent, key_header=key_header)
                    )
                case FixedStep():
                    self._steps.append(step)

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Answer the call by the first that can."""
        clock, options = self._clock, self._options
        timeout_s, share = options.primary_timeout_s, self._shares.primary
        ends_at = primary_ends_at(timeout_s, clock.now(), call.deadline_at, share)
        part = Part(call, call.method, call.message, ends_at)
        part.added_headers, part.repeatable = call.added_headers, call.repeatable
        outcome = await part.run(call_next, clock)
        error = outcome.error
        if error is None:
            call.answer_headers, call.not_modified = part.answer_headers, part.not_modified
            if part.not_modified:
                return outcome
            return await _answered(call, part.answer, part.trailing_metadata)
        chain = Chain(options)
        if not chain.goes_on(error, idempotent=options.idempotent):
            call.trailing_metadata += part.trailing_metadata
            return outcome
        told = await self._fall_back(call, chain, outcome)
        if told is None:
            return SUCCESS
        call.trailing_metadata += part.trailing_metadata
        sent = Sent.UNKNOWN if chain.acted and error.sent in HARMLESS else error.sent
        error = replace(error, message=f"{error.message}{told}", sent=sent)
        return Outcome(outcome.kind, error)

    async def _fall_back(self, call: Call, chain: Chain, before: Outcome) -> str | None:
        """Try the steps; return how they failed, None where one answered."""
        clock = self._clock
        told = ""
        for index, step in enumerate(self._steps):
            if isinstance(step, FixedStep):
                self._events.emit(FallbackUsed(call, step.name, before, SUCCESS))
                await _answered(call, step.answer, [(ANSWERED_BY, step.name)])
                return None
            if chain.acted:
                if not told.endswith(_NOT_AGAIN):
                    told += _NOT_AGAIN
                continue
            share = self._shares.steps[index]
            ends_at = step_ends_at(clock.now(), call.deadline_at, share)
            outcome, part = await step.run(call, ends_at, clock)
            self._events.emit(FallbackUsed(call, step.name, before, outcome))
            if outcome.error is None:
                await _answered(
                    call, part.answer, [*part.trailing_metadata, (ANSWERED_BY, step.name)]
                )
                return None
            told += _told(step.name, outcome.error)
            if not chain.goes_on(outcome.error, idempotent=step.idempotent):
                return told
            before = outcome
        return told


def _finder(entry_of: EntryOf, name: str) -> Callable[[], Entry]:
    return lambda: entry_of(name)


def _told(name: str, error: CallError) -> str:
    message = error.message
    if len(message) > _MAX_TOLD:
        message = message[: _MAX_TOLD - 1] + "…"
    return f"; fallback {name!r}: {error.code.name}: {message}"


async def _answered(
    call: Call, answer: bytes, trailing: Sequence[tuple[str, str | bytes]]
) -> Outcome:
    call.trailing_metadata += trailing
    await call.send(answer)
    return SUCCESS
