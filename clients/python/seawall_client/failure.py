"""A failed call's details as one plain record.

    try:
        order = stub.GetOrder(request, timeout=2)
    except grpc.RpcError as error:
        failure = read_failure(error)
        if failure.should_retry:
            schedule(after_s=failure.retry_delay_s or 1)

Works with sync and aio stubs, and with servers that are no Seawall: what is not
there is empty. Details are those of AIP-193 and seawall.error.v1.

What stands before the gateway's own ErrorInfo is the upstream's. Of that, fields, limits
and a delay are taken where the gateway tells none, a delay only where coming back helps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

_KEY = "grpc-status-details-bin"
_MAX_DIGITS = 18
_Detail = TypeVar("_Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of the request and what is wrong with it."""

    field: str
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a call failed, whose fault it was, and what to do.

    Args:
        code: the gRPC status.
        message: the status message.
        reason: the gateway's reason, "UPSTREAM_UNREACHABLE"; "" where none is told.
        origin: who failed: "gateway", "upstream" or "caller"; "" where none is told.
        upstream: name of the upstream involved.
        http_status: what the upstream answered.
        attempts: requests made to the upstream.
        should_retry: whether the same call may succeed later.
        retry_delay_s: when to try again, in seconds, where known.
        violations: fields at fault.
        title: for people, a few words.
        text: for people, what happened.
        action: for people, what to do.
        upstream_reason: the upstream's own reason, where it told one.
        domain: whose `reason` is: "seawall", or that of an error catalog.
        cause: the gateway's own reason, where `reason` is one of a catalog.
        exhausted: limits that are, and what they are.
        localized: the gateway's or its catalog's sentence in the language that was asked for.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    origin: str = ""
    upstream: str = ""
    http_status: int | None = None
    attempts: int | None = None
    should_retry: bool = False
    retry_delay_s: float | None = None
    violations: tuple[FieldViolation, ...] = ()
    title: str = ""
    text: str = ""
    action: str = ""
    upstream_reason: str = ""
    domain: str = ""
    cause: str = ""
    exhausted: tuple[FieldViolation, ...] = ()
    localized: str = ""

    def __str__(self) -> str:
        """One line for people and logs."""
        reason = f" {self.reason}" if self.reason else ""
        text = self.localized or self.text or self.message
        action = f" {self.action}" if self.action else ""
        return " ".join(f"{self.code.name}{reason}: {text}{action}".split())


def read_failure(error: grpc.RpcError) -> Failure:
    """Return what `error` says.

    Args:
        error: as a stub raised it, sync or aio.
    """
    details = tuple(_status(error).details)
    at = next((i for i in reversed(range(len(details))) if _is_own(details[i])), None)
    theirs, own = (details, details) if at is None else (details[:at], details[at:])
    info = error_details_pb2.ErrorInfo() if at is None else _one(own, error_details_pb2.ErrorInfo)
    said = _one(own, UserMessage)
    bad = error_details_pb2.BadRequest
    quota = error_details_pb2.QuotaFailure
    return Failure(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason,
        origin=info.metadata.get("origin", ""),
        upstream=info.metadata.get("upstream", ""),
        http_status=_number(info.metadata.get("http_status")),
        attempts=_number(info.metadata.get("attempts")),
        should_retry=said.should_retry,
        retry_delay_s=_delay_s(own, theirs if at is None or said.should_retry else ()),
        violations=tuple(
            FieldViolation(v.field, v.description)
            for v in (_find(own, bad) or _one(theirs, bad)).field_violations
        ),
        title=said.title,
        text=said.text,
        action=said.action,
        upstream_reason=_one(theirs, error_details_pb2.ErrorInfo).reason,
        domain=info.domain,
        cause=info.metadata.get("cause", ""),
        exhausted=tuple(
            FieldViolation(v.subject, v.description)
            for v in (_find(own, quota) or _one(theirs, quota)).violations
        ),
        localized=_one(own, error_details_pb2.LocalizedMessage).message,
    )


def _is_own(detail: Any) -> bool:
    """Tell whether a detail is the ErrorInfo that begins what the gateway itself says."""
    info = _find((detail,), error_details_pb2.ErrorInfo)
    return info is not None and (info.domain == "seawall" or "cause" in info.metadata)


def _delay_s(own: Sequence[Any], theirs: Sequence[Any]) -> float | None:
    retry = error_details_pb2.RetryInfo
    found = _find(own, retry) or _find(theirs, retry)
    return found and found.retry_delay.seconds + found.retry_delay.nanos / 1e9


def _one(details: Sequence[Any], kind: type[_Detail]) -> _Detail:
    return _find(details, kind) or kind()


def _find(details: Sequence[Any], kind: type[_Detail]) -> _Detail | None:
    """Return the last detail of a type that can be read; None where there is none."""
    for detail in reversed(details):
        if detail.Is(kind.DESCRIPTOR):
            found = kind()
            try:
                detail.Unpack(found)
            except DecodeError:
                continue
            return found
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) <= _MAX_DIGITS else None


def _status(error: grpc.RpcError) -> status_pb2.Status:
    trailers: Any = error.trailing_metadata()  # typed as one pair, but it is a sequence of them
    for key, value in trailers or ():
        if key == _KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
