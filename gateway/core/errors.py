"""The one error type that travels through a pipeline, and the configuration's.

A `CallError` says everything the caller will be told: which status, why, whose
fault, and when to come back. Foreign exceptions (the HTTP client's, protobuf's)
become one at the boundary where they arise; `ingress/status.py` turns it into
google.rpc.Status.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.status import Code


class Reason(enum.StrEnum):
    """Why a call failed. The values of seawall.error.v1.Reason, documented there."""

    UPSTREAM_STATUS = "UPSTREAM_STATUS"
    UPSTREAM_UNRESOLVED = "UPSTREAM_UNRESOLVED"
    UPSTREAM_UNREACHABLE = "UPSTREAM_UNREACHABLE"
    UPSTREAM_TLS = "UPSTREAM_TLS"
    UPSTREAM_RESET = "UPSTREAM_RESET"
    UPSTREAM_INVALID_ANSWER = "UPSTREAM_INVALID_ANSWER"
    UPSTREAM_ANSWER_TOO_LARGE = "UPSTREAM_ANSWER_TOO_LARGE"
    ATTEMPT_TIMEOUT = "ATTEMPT_TIMEOUT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INVALID_REQUEST = "INVALID_REQUEST"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    DRAINING = "DRAINING"
    INTERNAL = "INTERNAL"
    CANCELLED = "CANCELLED"
    STREAM_IDLE = "STREAM_IDLE"
    BREAKER_OPEN = "BREAKER_OPEN"
    NO_ENDPOINT = "NO_ENDPOINT"
    CONCURRENCY_LIMIT = "CONCURRENCY_LIMIT"
    PACED = "PACED"
    OVERLOADED = "OVERLOADED"
    QUORUM_MISSED = "QUORUM_MISSED"
    SERIALIZED = "SERIALIZED"
    RATE_LIMITED = "RATE_LIMITED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    REPLAYED = "REPLAYED"
    CREDENTIAL_UNAVAILABLE = "CREDENTIAL_UNAVAILABLE"
    IDENTITY_UNAVAILABLE = "IDENTITY_UNAVAILABLE"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    IN_PROGRESS = "IN_PROGRESS"
    DUPLICATE = "DUPLICATE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    KEY_REUSED = "KEY_REUSED"
    KEY_REQUIRED = "KEY_REQUIRED"
    OPERATION_UNKNOWN = "OPERATION_UNKNOWN"
    ATTEMPTS_SPENT = "ATTEMPTS_SPENT"
    OPERATIONS_FULL = "OPERATIONS_FULL"


class Origin(enum.StrEnum):
    """Who failed."""

    GATEWAY = "gateway"
    UPSTREAM = "upstream"
    CALLER = "caller"


class Sent(enum.Enum):
    """What is known about a failed attempt, for the decision to repeat it."""

    NOT_SENT = enum.auto()
    """The upstream has not seen the request: repeating it is always safe."""
    REFUSED = enum.auto()
    """The upstream said that it did not act on it (429): repeating it is safe too."""
    UNKNOWN = enum.auto()
    """The upstream may have acted on it."""
    ANSWERED = enum.auto()
    """The upstream answered, with an error; it may have acted before it failed."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request and what is wrong with it."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Words:
    """What people are told of a reason; "" for what the gateway says by itself."""

    title: str = ""
    message: str = ""
    action: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownReason:
    """A reason of the error catalog, in the language of one caller.

    Args:
        name: "CARD_DECLINED".
        domain: whose reason it is.
        words: for the caller.
        language: their tag ("de"), "" where the catalog does not say.
    """

    name: str
    domain: str
    words: Words
    language: str = ""


@dataclass(slots=True, eq=False)
class CallError(Exception):
    """A call or an attempt that failed.

    Args:
        code: the status that the caller sees.
        reason: the machine's reason.
        message: one sentence for people, without secrets or markup.
        origin: who failed.
        sent: what the upstream may have seen.
        transient: whether an equal call may succeed later.
        http_status: the upstream's status, where it answered.
        retry_after_s: seconds until it makes sense to come back, where known.
        upstream: its name, where one was involved.
        violations: the fields at fault, for INVALID_ARGUMENT.
        details: further google.rpc details, as serialized google.protobuf.Any.
        exhausted: limits that are, by name, and what they are: google.rpc.QuotaFailure.
        body: what the upstream answered, where rules of the error catalog read it.
        known_as: the reason that the error catalog has for it, None where it has none.
        known_to_operators: what operators ask for it by: "unknown-calls/…"; "" for most.
        pushback_s: seconds after which a caller that retries by itself should do so
            (gRFC A6), below zero for not at all; None leaves it to the caller.
    """

    code: Code
    reason: Reason
    message: str
    origin: Origin = Origin.GATEWAY
    sent: Sent = Sent.NOT_SENT
    transient: bool = False
    http_status: int | None = None
    retry_after_s: float | None = None
    upstream: str = ""
    violations: Sequence[Violation] = ()
    details: Sequence[Any] = field(default=())
    exhausted: Sequence[Violation] = ()
    body: Any = field(default=None, repr=False)
    known_as: "KnownReason | None" = None
    pushback_s: float | None = None
    known_to_operators: str = ""

    def __str__(self) -> str:
        return f"{self.code.name} ({self.reason}): {self.message}"


def invalid_request(message: str, field_path: str = "") -> CallError:
    """Return the error for a request that cannot be sent as it is.

    Args:
        message: what is wrong, as a sentence that names the field.
        field_path: dotted path of the field, empty for the message as a whole.
    """
    return CallError(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_REQUEST,
        message,
        origin=Origin.CALLER,
        violations=(Violation(field_path, message),) if field_path else (),
    )


def refused(
    code: Code, reason: Reason, message: str, *, upstream: str = "", retry_after_s: float | None
) -> CallError:
    """Return the error for a call or an attempt that the gateway does not let through.

    Args:
        code: UNAVAILABLE or RESOURCE_EXHAUSTED.
        reason: which mechanism refused it.
        message: why, as a sentence.
        upstream: whose mechanism it was.
        retry_after_s: when to come back, where that is known.
    """
    return CallError(
        code, reason, message, transient=True, retry_after_s=retry_after_s, upstream=upstream
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in what the operator gave: where, and what.

    Args:
        where: "orders.proto:17", "config.yaml:4" or a flag; may be empty.
        text: what is wrong and, where it helps, what to write instead.
    """

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


class ConfigError(Exception):
    """Everything found wrong with configuration, protos and flags: never one at a time."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    @classmethod
    def one(cls, where: str, text: str) -> "ConfigError":
        """Return an error with a single problem."""
        return cls([Problem(where, text)])
