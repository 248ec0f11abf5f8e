"""The Call record: one RPC on its way through a pipeline.

The contract every interceptor and target keeps:

1. `await interceptor(call, call_next)` lasts as long as the call does, so that
   permits, spans and timers are plain `try/finally`.
2. Requests arrive by the call: `call.request` (bytes) where the caller sends
   one message, `call.requests` where it streams. Decoded, they are `call.message`,
   and for a stream its first message with the others still in `call.requests`.
3. Answers leave by `await call.send(payload)`, one serialized message each; it
   returns when the transport can take the next. A unary method is the case of
   one message.
4. The result is an `Outcome`. Failures are returned; a raised exception is a
   cancellation or a fault of the gateway.
5. `call.deadline_at` is absolute, fixed on arrival, and never moves later.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.core.criticality import Criticality
from gateway.core.deadline import Expiry
from gateway.core.endpoint import Endpoint
from gateway.core.identity import Identity
from gateway.core.outcome import Outcome
from gateway.core.tracing import CallTrace

Metadata = Sequence[tuple[str, str | bytes]]
Sink = Callable[[bytes], Awaitable[None]]
"""Takes one serialized message; returns when there is room for the next."""


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """What is known of a method before any call.

    Args:
        service: full name, "panel.v1.OrderService".
        name: "GetOrder".
        client_streaming: the caller sends a stream.
        server_streaming: the answer is a stream.
    """

    service: str
    name: str
    client_streaming: bool = False
    server_streaming: bool = False
    full_name: str = field(init=False)
    """As operators write it: "panel.v1.OrderService/GetOrder"."""
    path: str = field(init=False)
    """As it travels: "/panel.v1.OrderService/GetOrder"."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "full_name", f"{self.service}/{self.name}")
        object.__setattr__(self, "path", f"/{self.full_name}")


async def _no_requests() -> AsyncIterator[bytes]:
    return
    yield b""


class Call:
    """One RPC. Mutable, used by one task at a time.

    Args:
        method: what was called.
        metadata: as the caller sent it.
        peer: the connection, in gRPC's notation ("ipv4:127.0.0.1:5000").
        arrived_at: monotonic seconds.
        deadline_at: the caller's own deadline in monotonic seconds, or None;
            the deadline interceptor replaces it by the effective one.
        request: the serialized request, empty for a client stream.
        requests: the messages of a client stream; from the decode interceptor on, those
            behind the first, decoded. A message that cannot be raises CallError.
        sink: takes the answers.
    """

    __slots__ = (
        "_sink",
        "added_headers",
        "answer_headers",
        "answer_status",
        "arrived_at",
        "attempt_ends_at",
        "attempts",
        "awaits_caller",
        "certificate",
        "client_deadline_at",
        "counted",
        "criticality",
        "deadline_at",
        "endpoint",
        "expiry",
        "goes_on",
        "identity",
        "key_path",
        "listener",
        "message",
        "metadata",
        "method",
        "not_modified",
        "past",
        "peer",
        "prepared",
        "previous_attempts",
        "repeatable",
        "request",
        "requests",
        "requests_spent",
        "sent",
        "trace",
        "trace_headers",
        "trailing_metadata",
        "tried",
    )

    def __init__(
        self,
        method: MethodInfo,
        sink: Sink,
        *,
        arrived_at: float,
        metadata: Metadata = (),
        peer: str = "",
        deadline_at: float | None = None,
        request: bytes = b"",
        requests: AsyncIterator[Any] | None = None,
    ) -> None:
        self.method = method
        self.metadata = metadata
        self.peer = peer
        self.arrived_at = arrived_at
        self.client_deadline_at = deadline_at
        self.deadline_at = float("inf") if deadline_at is None else deadline_at
        self.expiry: Expiry | None = None
        """The block that ends the call at `deadline_at`, from the deadline interceptor on."""
        self.request = request
        self.requests: AsyncIterator[Any] = requests if requests is not None else _no_requests()
        self.requests_spent = False
        """Whether more of a client stream than its first message was asked for: it is not
        kept, and no other attempt could send it."""
        self.awaits_caller = False
        """Whether the call stands still until the caller's stream goes on."""
        self.message: Any = None
        """The decoded request, from the decode interceptor on; of a client stream the
        first, None where it has none."""
        self.prepared: Any = None
        """What every attempt sends, from the encode interceptor on."""
        self.attempts = 0
        """Attempts begun so far."""
        self.attempt_ends_at = float("inf")
        """When the attempt under way ends, in monotonic seconds; infinity where none is."""
        self.sent = 0
        """Messages handed to the caller so far."""
        self.identity: Identity | None = None
        """Who calls, from the auth interceptor on; None where nobody knows."""
        self.key_path = ""
        """Which part of another call it is, so that parts with one idempotency key differ."""
        self.listener = ""
        """Which listener it came in by, as the configuration writes its address; "" where
        there is one without a setting of its own."""
        self.certificate: tuple[str, ...] = ()
        """Names of the client's certificate ("URI:spiffe://…", "DNS:…", "email:…", "CN:…"),
        which the listener has verified."""
        self.counted = False
        """Whether its rate limits have decided on it."""
        self.criticality = Criticality.CRITICAL
        """How important it is, from the arrival interceptor on."""
        self.repeatable = False
        """Whether the upstream knows it again: it may be sent twice, whatever its method is."""
        self.goes_on = False
        """Whether what it began is finished without it, and its answer kept for a repetition."""
        self.previous_attempts = 0
        """Times that the caller says it has sent this call before (gRFC A6)."""
        self.endpoint: Endpoint | None = None
        """Where the attempt under way goes; None where the upstream has one client only."""
        self.tried: tuple[Endpoint, ...] = ()
        """Where earlier attempts went."""
        self.answer_headers: Mapping[str, str] | None = None
        """Headers of the upstream's answer, names in lower case; of one message, from the
        target outwards."""
        self.answer_status = 0
        """The HTTP status of the upstream's answer, from the target outwards; 0 for none."""
        self.trace: CallTrace | None = None
        """The call's trace, where it is traced."""
        self.past: list[Any] | None = None
        """Attempts that are over, where somebody keeps them; of the root."""
        self.trace_headers: Mapping[str, str] | None = None
        """What the attempt under way tells the upstream of it."""
        self.added_headers: Mapping[str, str] | None = None
        """Headers of this call beyond what its method says, names in lower case: conditions of
        a cache (RFC 9110, 13.1), the idempotency key."""
        self.not_modified = False
        """Whether the upstream said that it has not: a success without a message."""
        self.trailing_metadata: list[tuple[str, str | bytes]] = []
        """What goes to the caller behind the last message."""
        self._sink = sink

    @property
    def root(self) -> "Call":
        """The call of a caller that this one is a part of; itself, where it is that."""
        return self

    async def send(self, payload: bytes) -> None:
        """Hand one serialized message to the caller; return when there is room for more."""
        self.sent += 1
        await self._sink(payload)


class SubCall(Call):
    """A call that the gateway makes on behalf of another one.

    It has the caller's metadata, peer, criticality and deadline; its attempts count as
    the parent's too.

    Args:
        parent: on whose behalf.
        method: the parent's if None.
        sink: takes the answers; the parent's `send` if None.
        message: the decoded request.
        own_task: it runs beside the parent. The parent's deadline then cannot end it, so
            it ends by itself a moment earlier.
    """

    __slots__ = ("_attempts", "_parent")

    def __init__(
        self,
        parent: Call,
        *,
        method: MethodInfo | None = None,
        sink: Sink | None = None,
        message: Any = None,
        own_task: bool = False,
    ) -> None:
        self._parent = parent
        self._attempts = 0
        super().__init__(
            method or parent.method,
            sink or parent.send,
            arrived_at=parent.arrived_at,
            metadata=parent.metadata,
            peer=parent.peer,
            deadline_at=parent.client_deadline_at,
        )
        self.deadline_at = parent.deadline_at - (_EARLIER_S if own_task else 0)
        self.expiry = None if own_task else parent.expiry
        self.message = message
        self.identity = parent.identity
        self.key_path = parent.key_path
        self.listener = parent.listener
        self.certificate = parent.certificate
        self.criticality = parent.criticality
        self.trace = parent.trace
        self.previous_attempts = parent.previous_attempts

    @property
    def root(self) -> Call:
        """The call of a caller that this one is a part of."""
        return self._parent.root

    @property
    def attempts(self) -> int:
        """Attempts begun for this one."""
        return self._attempts

    @attempts.setter
    def attempts(self, count: int) -> None:
        self._parent.attempts += count - self._attempts
        self._attempts = count


_EARLIER_S = 0.003
"""So that what ends at the deadline in a task of its own is told before the call is over."""

CallNext = Callable[[Call], Awaitable[Outcome]]


class Interceptor(Protocol):
    """One mechanism on the way of a call. `name` stands in the pipeline's shape."""

    name: str

    def __call__(self, call: Call, call_next: CallNext) -> Awaitable[Outcome]:
        """Run the call, or refuse it; see the contract above."""


class Preparation:
    """An interceptor that looks at a call before it goes on, and does not wait.

    A pipeline runs `prepare` without a coroutine of its own.
    """

    def prepare(self, call: Call) -> Outcome | None:
        """Do what has to be done; return an outcome to end the call here."""
        raise NotImplementedError  # abstract: it is what a preparation consists of

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Prepare the call and let it go on, or refuse it."""
        refused = self.prepare(call)
        return await call_next(call) if refused is None else refused


class Target(Protocol):
    """Where a pipeline ends: a REST binding, or a servicer of the gateway's own."""

    async def __call__(self, call: Call) -> Outcome:
        """Answer the call."""
