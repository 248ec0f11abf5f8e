"""A CallError as what travels: status, message, and google.rpc.Status details (AIP-193).

Details, in this order: what the upstream sent, then ErrorInfo (domain "seawall", or that of
the error catalog, with the gateway's own reason as its `cause`), RetryInfo, BadRequest,
QuotaFailure, LocalizedMessage where the caller asked for a language that the catalog has, and
seawall.error.v1.UserMessage. All of it stays under
`MAX_DETAILS`, because clients refuse trailers of more than 8 KiB and then lose the
status too; what is dropped first is what the upstream sent.

Beside them `grpc-retry-pushback-ms` (gRFC A6) where the error says when to retry, or not to.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

from gateway.core.catalog import DOMAIN
from gateway.core.errors import CallError, KnownReason, Reason, Words
from gateway.core.status import Code

MAX_DETAILS = 3 * 1024
"""Serialized; a third more as base64 on the wire."""
_MAX_MESSAGE = 1024
"""Percent-encoded, as it travels."""

_UNNAMED = KnownReason(name="", domain="", words=Words())

CODES = {Code(code.value[0]): code for code in grpc.StatusCode}
"""grpc's own enum by number."""

Trailers = tuple[tuple[str, str | bytes], ...]

_WORDS: dict[Reason, tuple[str, str]] = {
    Reason.UPSTREAM_STATUS: ("The service answered with an error", ""),
    Reason.UPSTREAM_UNRESOLVED: (
        "The service cannot be found",
        "Check the upstream's host name in the gateway's configuration.",
    ),
    Reason.UPSTREAM_UNREACHABLE: (
        "The service cannot be reached",
        "Check that the upstream is running.",
    ),
    Reason.UPSTREAM_TLS: (
        "The service's certificate is not accepted",
        "Check the upstream's certificate and the gateway's ca_file.",
    ),
    Reason.UPSTREAM_RESET: ("The connection to the service broke", ""),
    Reason.UPSTREAM_INVALID_ANSWER: (
        "The service sent an unexpected answer",
        "Tell the owner of the service.",
    ),
    Reason.UPSTREAM_ANSWER_TOO_LARGE: (
        "The answer is too large",
        "Ask for less, or raise sizes.max_response_bytes.",
    ),
    Reason.ATTEMPT_TIMEOUT: ("The service was too slow", ""),
    Reason.DEADLINE_EXCEEDED: ("The time for this call ran out", "Allow more time, or try again."),
    Reason.INVALID_REQUEST: ("The request is not valid", "Correct the request."),
    Reason.REQUEST_TOO_LARGE: ("The request is too large", "Send less."),
    Reason.DRAINING: ("The gateway is shutting down", "Try again on a new connection."),
    Reason.INTERNAL: ("The gateway failed", "Tell the operators of the gateway."),
    Reason.CANCELLED: ("The call was cancelled", ""),
    Reason.STREAM_IDLE: ("The service stopped sending", ""),
    Reason.BREAKER_OPEN: ("The service is failing", ""),
    Reason.NO_ENDPOINT: ("The service cannot be reached", ""),
    Reason.CONCURRENCY_LIMIT: ("The service is busy", ""),
    Reason.PACED: ("The service is sent as much as it takes", ""),
    Reason.OVERLOADED: ("The gateway is busy", ""),
    Reason.QUORUM_MISSED: ("Too few parts of the answer arrived", ""),
    Reason.SERIALIZED: ("Too many calls for the same key", ""),
    Reason.RATE_LIMITED: ("Too many calls", ""),
    Reason.UNAUTHENTICATED: ("Who calls is not known", "Send a valid credential."),
    Reason.PERMISSION_DENIED: ("This caller may not do this", "Ask for the role that it needs."),
    Reason.SIGNATURE_INVALID: (
        "The signature is not right",
        "Sign the raw body with the shared secret, now.",
    ),
    Reason.REPLAYED: ("This request was answered before", "Sign and send it anew."),
    Reason.CREDENTIAL_UNAVAILABLE: (
        "The gateway has no credential for the service",
        "Tell the operators of the gateway.",
    ),
    Reason.IDENTITY_UNAVAILABLE: ("Who calls cannot be looked up", ""),
    Reason.STORE_UNAVAILABLE: ("A store that the gateway needs does not answer", ""),
}


def _duration(duration_s: float) -> duration_pb2.Duration:
    nanos = round(duration_s * 1e9)
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


def _own_details(error: CallError, attempts: int) -> list[Any]:
    metadata = {"origin": str(error.origin), "attempts": str(attempts)}
    known = error.known_as or _UNNAMED
    if known.domain and known.domain != DOMAIN:
        metadata["cause"] = str(error.reason)
    if error.upstream:
        metadata["upstream"] = error.upstream
    if error.http_status is not None:
        metadata["http_status"] = str(error.http_status)
    details: list[Any] = [
        error_details_pb2.ErrorInfo(
            reason=known.name or error.reason, domain=known.domain or DOMAIN, metadata=metadata
        )
    ]
    title, action = _WORDS[error.reason]
    words = known.words
    said = UserMessage(
        title=words.title or title,
        text=_sentence(words.message or error.message),
        action=words.action or action or _action(error),
        should_retry=error.transient,
    )
    if error.retry_after_s is not None:
        delay = _duration(error.retry_after_s)
        said.retry_delay.CopyFrom(delay)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.violations:
        violation = error_details_pb2.BadRequest.FieldViolation
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    violation(field=v.field, description=v.description) for v in error.violations
                ]
            )
        )
    if error.exhausted:
        violation_of = error_details_pb2.QuotaFailure.Violation
        details.append(
            error_details_pb2.QuotaFailure(
                violations=[
                    violation_of(subject=v.field, description=v.description)
                    for v in error.exhausted
                ]
            )
        )
    if known.language and words.message:
        details.append(
            error_details_pb2.LocalizedMessage(locale=known.language, message=words.message)
        )
    details.append(said)
    return details


def _action(error: CallError) -> str:
    if error.retry_after_s is not None:
        seconds = max(1, ceil(error.retry_after_s))
        return f"Try again in {seconds} second{'s' * (seconds != 1)}."
    if error.transient:
        return "Try again."
    if error.http_status is not None and 400 <= error.http_status < 500:
        return "Correct the request."
    return "Tell the owner of the service."


def _shortened(text: str) -> str:
    """Return `text`, cut where its percent-encoded form on the wire grows too long."""
    room = _MAX_MESSAGE
    for at, character in enumerate(text):
        plain = " " <= character <= "~" and character != "%"
        room -= 1 if plain else 3 * len(character.encode(errors="replace"))
        if room < 0:
            return text[: max(at - 1, 0)] + "…"
    return text


def _sentence(text: str) -> str:
    text = _shortened(text)
    word = text.split(" ", 1)[0]
    if word.isalpha():  # an identifier keeps its case
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _pack(details: Sequence[Any]) -> list[any_pb2.Any]:
    packed = []
    for detail in details:
        one = any_pb2.Any()
        one.Pack(detail)
        packed.append(one)
    return packed


def to_trailers(error: CallError, attempts: int) -> tuple[grpc.StatusCode, str, Trailers]:
    """Return what ends a failed call: status, message, trailing metadata."""
    message = _shortened(error.message)
    own = _pack(_own_details(error, attempts))
    room = MAX_DETAILS - len(message.encode()) - sum(detail.ByteSize() for detail in own)
    kept = []
    for serialized in error.details:
        room -= len(serialized)
        if room >= 0:
            kept.append(any_pb2.Any.FromString(serialized))
    status = status_pb2.Status(code=int(error.code), message=message, details=[*kept, *own])
    trailers: Trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    if error.pushback_s is not None:
        told = -1 if error.pushback_s < 0 else round(error.pushback_s * 1000)
        trailers = (*trailers, ("grpc-retry-pushback-ms", str(told)))
    return CODES[error.code], message, trailers
