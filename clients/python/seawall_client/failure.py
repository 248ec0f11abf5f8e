"""A failed call's details as one plain record.

    try:
        order = stub.GetOrder(request, timeout=2)
    except grpc.RpcError as error:
        failure = read_failure(error)
        if failure.should_retry:
            schedule(after_s=failure.retry_delay_s or 1)

Works with sync and aio stubs, and with servers that are no Seawall: what is not
there is empty. Details are those of AIP-193 and seawall.error.v1.
"""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

_KEY = "grpc-status-details-bin"


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
        localized: the catalog's sentence in the language that was asked for.
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
    status = _status(error)
    info: dict[str, str] = {}
    found: dict[str, object] = {}
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            told = error_details_pb2.ErrorInfo()
            detail.Unpack(told)
            if told.domain == "seawall" or "cause" in told.metadata:
                info = dict(told.metadata)
                found |= {"reason": told.reason, "domain": told.domain}
            else:
                found["upstream_reason"] = told.reason
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            delay = retry.retry_delay
            found["retry_delay_s"] = delay.seconds + delay.nanos / 1e9
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            found["violations"] = tuple(
                FieldViolation(v.field, v.description) for v in bad.field_violations
            )
        elif detail.Is(error_details_pb2.QuotaFailure.DESCRIPTOR):
            quota = error_details_pb2.QuotaFailure()
            detail.Unpack(quota)
            found["exhausted"] = tuple(
                FieldViolation(v.subject, v.description) for v in quota.violations
            )
        elif detail.Is(error_details_pb2.LocalizedMessage.DESCRIPTOR):
            words = error_details_pb2.LocalizedMessage()
            detail.Unpack(words)
            found["localized"] = words.message
        elif detail.Is(UserMessage.DESCRIPTOR):
            said = UserMessage()
            detail.Unpack(said)
            found |= {"title": said.title, "text": said.text, "action": said.action}
            found["should_retry"] = said.should_retry
    return Failure(
        code=error.code(),
        message=error.details() or "",
        origin=info.get("origin", ""),
        upstream=info.get("upstream", ""),
        http_status=_number(info.get("http_status")),
        attempts=_number(info.get("attempts")),
        cause=info.get("cause", ""),
        **found,  # type: ignore[arg-type]  # values of several types, by the names of their fields
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _status(error: grpc.RpcError) -> status_pb2.Status:
    trailers: Any = error.trailing_metadata()  # typed as one pair, but it is a sequence of them
    for key, value in trailers or ():
        if key == _KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
