"""Keeping calls: the end of a call that is made later.

`AcceptTarget` is where the pipeline of a method ends that answers with an operation.
`AcceptInterceptor` stands in that of a method which is called at once, and keeps the call where
its upstream is away.

Rules:
1. The operation is kept before its caller is told; without the store nothing is accepted.
2. A caller's idempotency key, or its window, stands for one operation: who comes again gets the
   same. With another request it is refused.
3. A call that was made at once and failed is kept where the upstream has not seen it, or where it
   may be sent twice: the method is idempotent, or `deduplication.on_unknown` is RESEND or LOOKUP.
   Failures that no other attempt would mend are told to the caller.
4. Where operations are ordered, a call that has others before it is kept behind them, and not
   made at once.
5. What is kept of the caller's metadata is what the upstream is sent, without credentials.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from gateway.compose.part import Part, ends_before
from gateway.core.call import Call, CallNext, MethodInfo
from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError, Reason, Sent, refused
from gateway.core.events import CallDeduplicated, CallRefused, Events, OperationAccepted
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.core.stored import pack
from gateway.operations.message import OperationMessages
from gateway.operations.naming import name_of, new_id
from gateway.operations.options import OperationOptions
from gateway.operations.schedule import after
from gateway.state.operations import Acceptance, Accepted, Kept, OperationStore, State
from gateway.state.records import NotAsked, StoreUnavailable

OPERATION: Final = "seawall-operation"
"""Trailing metadata: the name of the operation that a call was kept as."""
REPLAYED: Final = ("idempotency-replayed", "true")
_SAFE: Final = frozenset((Sent.NOT_SENT, Sent.REFUSED))
_FULL_RETRY_S: Final = 5.0
_RESERVE_S: Final = 0.5
"""Of a call's time, kept to keep it; never more than half."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallReaders:
    """What is read of a call.

    Args:
        owner: returns what tells its caller apart.
        key: returns its digest, what the upstream is told, for how long it is held, and whether
            from the end on; None for a call without a key. Raises CallError.
        fingerprint: tells requests apart.
        order: returns what it is ordered by, b"" for nothing.
        kept: keys of metadata that are kept, in lower case.
    """

    owner: Callable[[Call], bytes]
    key: Callable[[Call], tuple[bytes, str, float, bool] | None]
    fingerprint: Callable[[Call], bytes]
    order: Callable[[Call], bytes] = lambda _call: b""
    kept: frozenset[str] = field(default_factory=frozenset)


def owner_digest(caller: bytes) -> bytes:
    """Return what stands for a caller in the store; nothing can be read from it."""
    return sha256(b"owner\0" + caller).digest()


class Acceptor:
    """Keeps calls of one method.

    Args:
        method: which.
        options: of its operations.
        readers: of its calls.
        store: keeps them.
        messages: makes what callers are told.
        wake: tells workers of this process that something is due.
        events: told of what is accepted.
    """

    def __init__(
        self,
        method: MethodInfo,
        options: OperationOptions,
        readers: CallReaders,
        store: OperationStore,
        messages: OperationMessages,
        wake: Callable[[], None],
        events: Events,
    ) -> None:
        self._method = method
        self._options = options
        self._readers = readers
        self._store = store
        self._messages = messages
        self._wake = wake
        self._events = events

    async def accept(
        self, call: Call, *, due_in_s: float = 0.0, failure: bytes = b"", header_key: str = ""
    ) -> Kept:
        """Keep a call.

        Args:
            call: decoded.
            due_in_s: until it is made.
            failure: why it was not made at once.
            header_key: what the upstream was told as its key already.

        Raises:
            CallError: it cannot be kept.
        """
        readers = self._readers
        key = readers.key(call)
        operation = new_id()
        accepted = Accepted(
            id=operation,
            method=self._method.full_name,
            owner=owner_digest(readers.owner(call)),
            request=call.message.SerializeToString(),
            metadata=self._metadata(call),
            header_key=header_key or (key[1] if key is not None else "") or operation,
            key=key[0] if key is not None else b"",
            fingerprint=readers.fingerprint(call) if key is not None else b"",
            key_held_s=key[2] if key is not None else 0.0,
            key_stays=key is not None and key[3],
            order_key=readers.order(call),
            max_pending=self._options.max_pending,
            not_before_s=due_in_s,
            last_error=failure,
        )
        try:
            done, kept = await self._accepted(accepted)
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        if done is Acceptance.OTHER_REQUEST:
            raise CallError(
                Code.INVALID_ARGUMENT,
                Reason.KEY_REUSED,
                "the idempotency key was used for another request",
            )
        if kept is None:
            raise refused(
                Code.RESOURCE_EXHAUSTED,
                Reason.OPERATIONS_FULL,
                f"{self._options.max_pending} operations of {self._method.full_name} wait already",
                retry_after_s=_FULL_RETRY_S,
            )
        if done is Acceptance.KNOWN:
            call.trailing_metadata.append(REPLAYED)
            self._events.emit(CallDeduplicated(call))
        else:
            self._events.emit(OperationAccepted(self._method, operation))
            self._wake()
        return kept

    async def _accepted(self, accepted: Accepted) -> tuple[Acceptance, Kept | None]:
        """Keep it; where the store does not answer, look once whether it did.

        Raises:
            StoreUnavailable: it is not kept.
            CallError: nobody knows.
        """
        try:
            return await self._store.accept(accepted)
        except NotAsked:
            raise
        except StoreUnavailable as error:
            try:
                kept = await self._store.get(accepted.id, accepted.owner)
            except StoreUnavailable:
                raise _perhaps(error, keyed=bool(accepted.key)) from None
            if kept is None:
                raise
            return Acceptance.NEW, kept

    def _metadata(self, call: Call) -> bytes:
        kept = [pair for pair in call.metadata if pair[0] in self._readers.kept]
        texts = [[key, value] for key, value in kept if isinstance(value, str)]
        return json.dumps(texts, separators=(",", ":")).encode() if texts else b""

    async def waits(self, call: Call) -> bool:
        """Tell whether operations stand before a call.

        Raises:
            CallError: the store does not answer.
        """
        order = self._readers.order(call)
        if not order:
            return False
        try:
            return await self._store.waits(self._method.full_name, order)
        except StoreUnavailable as error:
            raise _unavailable(error) from None

    def told(self, kept: Kept) -> Any:
        """Return an operation as callers are told."""
        return self._messages.message(kept)


def _unavailable(error: StoreUnavailable) -> CallError:
    return refused(
        Code.UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        f"the call cannot be kept, and is not accepted: {error.why}",
        retry_after_s=error.retry_after_s,
    )


def _perhaps(error: StoreUnavailable, *, keyed: bool) -> CallError:
    """Return the error of an acceptance that may have come about; with a key, come again."""
    if keyed:
        return CallError(
            Code.UNAVAILABLE,
            Reason.STORE_UNAVAILABLE,
            f"the call may have been accepted, or not: {error.why}; made again with the same "
            "idempotency key, it is accepted once",
            sent=Sent.UNKNOWN,
            transient=True,
            retry_after_s=error.retry_after_s,
        )
    return CallError(
        Code.ABORTED,
        Reason.OUTCOME_UNKNOWN,
        f"the call may have been accepted, or not: {error.why}; look among your operations "
        "before it is made again",
        sent=Sent.UNKNOWN,
        pushback_s=-1.0,
    )


class AcceptTarget:
    """Answers with an operation."""

    def __init__(self, acceptor: Acceptor, events: Events) -> None:
        self._acceptor = acceptor
        self._events = events

    async def __call__(self, call: Call) -> Outcome:
        """Keep the call."""
        try:
            kept = await self._acceptor.accept(call)
        except CallError as error:
            self._events.emit(CallRefused(call, "operation", error))
            return failed(error)
        await call.send(self._acceptor.told(kept).SerializeToString())
        return SUCCESS


class AcceptInterceptor:
    """Keeps a call whose upstream is away. See rules 3 and 4.

    Args:
        acceptor: keeps it.
        options: of the operations.
        answer: makes the method's answer of a google.longrunning.Operation.
        may_repeat: whether the upstream may be sent a call twice.
        clock: ends the call in time to keep it.
        rng: spreads delays.
        events: told of what cannot be kept.
    """

    name = "accept"

    def __init__(
        self,
        acceptor: Acceptor,
        options: OperationOptions,
        answer: Callable[[Any], bytes],
        *,
        may_repeat: bool,
        clock: Clock,
        rng: Rng,
        events: Events,
    ) -> None:
        self._acceptor = acceptor
        self._options = options
        self._answer = answer
        self._may_repeat = may_repeat
        self._clock = clock
        self._rng = rng
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make the call; keep it where it cannot be made now."""
        try:
            if await self._acceptor.waits(call):
                return await self._keep(call, 0.0, None, "")
        except CallError as refusal:
            self._events.emit(CallRefused(call, self.name, refusal))
            return failed(refusal)
        clock = self._clock
        ends_at = ends_before(clock.now(), call.deadline_at, _RESERVE_S)
        part = Part(call, call.method, call.message, ends_at)
        key = self._key_of(call)
        part.added_headers = call.added_headers
        if self._options.header:
            part.added_headers = {**(call.added_headers or {}), self._options.header: key}
        part.repeatable = call.repeatable
        outcome = await part.run(call_next, clock)
        error = outcome.error
        call.trailing_metadata += part.trailing_metadata
        if error is None:
            await call.send(part.answer)
            return outcome
        if not (self._may_repeat or error.sent in _SAFE):
            return outcome
        coming = after(
            error,
            self._options.schedule,
            attempts=1,
            sent=call.attempts > 0,
            age_s=0.0,
            rng=self._rng,
        )
        if coming.state is State.FAILED:
            return outcome
        try:
            return await self._keep(call, coming.due_in_s, error, key)
        except CallError as refusal:
            self._events.emit(CallRefused(call, self.name, refusal))
            return failed(refusal) if refusal.sent is Sent.UNKNOWN else outcome

    def _key_of(self, call: Call) -> str:
        """Return what the upstream is told as the key of a call, at once and later."""
        added = call.added_headers or {}
        return added.get(self._options.header) or new_id()

    async def _keep(
        self, call: Call, due_in_s: float, error: CallError | None, header_key: str
    ) -> Outcome:
        failure = b"" if error is None else pack(Landing(failed(error)))
        kept = await self._acceptor.accept(
            call, due_in_s=due_in_s, failure=failure, header_key=header_key
        )
        call.trailing_metadata.append((OPERATION, name_of(kept.id)))
        await call.send(self._answer(self._acceptor.told(kept)))
        return SUCCESS
