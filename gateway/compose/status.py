"""A CallError as the google.rpc.Status of one item among many (AIP-193, AIP-231).

Shorter than that of a whole call: what the upstream sent, then ErrorInfo and RetryInfo.
"""

from typing import Any

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2

from gateway.core.errors import CallError

DOMAIN = "seawall"
MAX_DETAILS = 3 * 1024
"""Serialized; what of the upstream's does not fit is left out."""
_MAX_MESSAGE = 512


def fill_status(error: CallError, status: Any) -> None:
    """Fill an empty google.rpc.Status.

    Args:
        error: how the item ended.
        status: of the class of the served protos' own pool.
    """
    status.code = int(error.code)
    message = error.message
    status.message = message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
    room = MAX_DETAILS
    for serialized in error.details:
        room -= len(serialized)
        if room >= 0:
            status.details.add().MergeFromString(serialized)
    metadata = {"origin": str(error.origin)}
    if error.upstream:
        metadata["upstream"] = error.upstream
    if error.http_status is not None:
        metadata["http_status"] = str(error.http_status)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    _add(status, info)
    if error.retry_after_s is not None:
        nanos = round(error.retry_after_s * 1e9)
        delay = duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))


def _add(status: Any, detail: Any) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.add(type_url=packed.type_url, value=packed.value)
