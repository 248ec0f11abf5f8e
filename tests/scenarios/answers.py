"""What travels behind an answer or an error, as tests look at it."""

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage


@dataclass(frozen=True, kw_only=True)
class Told:
    """A failed call, in everything that its caller is told.

    Attributes:
        code: the status.
        message: of the status.
        reasons: domain and reason of each ErrorInfo.
        origin: who failed, as the first ErrorInfo with a word of it says.
        attempts: requests to the upstream, as that one says.
        retry_delay_s: of RetryInfo, None without one.
        quota: what each violation of QuotaFailure is about, and its sentence.
        user: for people; empty without one.
        language: of LocalizedMessage; "" without one.
        localized: its sentence.
        metadata: everything behind the answer.
    """

    code: grpc.StatusCode
    message: str
    reasons: frozenset[tuple[str, str]]
    origin: str
    attempts: int | None
    retry_delay_s: float | None
    quota: tuple[tuple[str, str], ...]
    user: UserMessage
    language: str
    localized: str
    metadata: dict[str, str | bytes]


async def told(call: grpc.aio.Call) -> Told:
    """Wait for a call that fails, and return all that is told of it."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return _read(error)
    raise AssertionError(f"the call succeeded: {answer}")


def told_by(error: grpc.RpcError) -> Told:
    """Return the same of an error that was caught."""
    return _read(error)


async def metadata(call: grpc.aio.Call) -> dict[str, str | bytes]:
    """Wait for an answer, and return the metadata behind it."""
    await call
    return dict(await call.trailing_metadata())


def _read(error: grpc.RpcError) -> Told:
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    infos = _all(status, error_details_pb2.ErrorInfo)
    said = next((info.metadata for info in infos if "origin" in info.metadata), {})
    retries = _all(status, error_details_pb2.RetryInfo)
    users = _all(status, UserMessage)
    localized = _all(status, error_details_pb2.LocalizedMessage)
    return Told(
        code=error.code(),
        message=error.details() or "",
        reasons=frozenset((info.domain, info.reason) for info in infos),
        origin=said.get("origin", ""),
        attempts=int(said["attempts"]) if "attempts" in said else None,
        retry_delay_s=(
            retries[0].retry_delay.seconds + retries[0].retry_delay.nanos / 1e9 if retries else None
        ),
        quota=tuple(
            (violation.subject, violation.description)
            for failure in _all(status, error_details_pb2.QuotaFailure)
            for violation in failure.violations
        ),
        user=users[0] if users else UserMessage(),
        language=localized[0].locale if localized else "",
        localized=localized[0].message if localized else "",
        metadata=trailers,
    )


def _all(status: status_pb2.Status, kind: type) -> list:
    found = []
    for detail in status.details:
        if detail.Is(kind.DESCRIPTOR):
            message = kind()
            detail.Unpack(message)
            found.append(message)
    return found
