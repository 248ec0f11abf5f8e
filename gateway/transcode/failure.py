"""An upstream's error answer to a CallError, its own words kept.

Three shapes of JSON bodies are understood: Google's ({"error": {"code",
"message", "status", "details"}}), grpc-gateway's ({"code", "message",
"details"}) and RFC 9457 problem details ({"title", "detail", …}). Of anything
else, HTML above all, nothing reaches the caller but the status.
"""

import datetime
import email.utils
from collections.abc import Mapping
from typing import Any

import orjson
from google.protobuf import any_pb2, json_format
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer
from gateway.core.status import Code, code_for_http
from gateway.transcode.decode import is_json, split_media_type
from gateway.transcode.prose import quotable

_LONGEST_S = 1e10  # more than three hundred years, which google.protobuf.Duration can hold
_MAX_MESSAGE = 1024
_MAX_DETAILS = 16
_TRANSIENT = frozenset((408, 429, 502, 503, 504))


def retry_after(value: str | None, wall: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, None where it says nothing.

    Args:
        value: seconds or an HTTP date (RFC 9110, section 10.2.3).
        wall: now, in seconds since the Unix epoch.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_S)
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:  # in asctime's form, which is UTC too
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, date.timestamp() - wall)


def upstream_failure(
    answer: HttpAnswer,
    upstream: str,
    overrides: Mapping[int, Code],
    pool: DescriptorPool,
    wall: float,
) -> CallError:
    """Return the error of an answer that is not 2xx.

    Args:
        answer: with as much of its body as is allowed.
        upstream: its name, for the sentence.
        overrides: statuses that the method maps otherwise.
        pool: where the types of error details are looked up.
        wall: now, for a Retry-After that is a date.
    """
    message, details = _understand(answer, pool)
    status = answer.status
    text = f"upstream {upstream!r} answered {status}"
    return CallError(
        code_for_http(status, overrides),
        Reason.UPSTREAM_STATUS,
        f"{text}: {message}" if message else text,
        origin=Origin.UPSTREAM,
        sent=Sent.REFUSED if status == 429 else Sent.ANSWERED,
        transient=status in _TRANSIENT,
        http_status=status,
        retry_after_s=retry_after(answer.headers.get("retry-after"), wall),
        upstream=upstream,
        details=details,
    )


def _understand(answer: HttpAnswer, pool: DescriptorPool) -> tuple[str, list[bytes]]:
    media_type, _ = split_media_type(answer.headers.get("content-type", ""))
    if not is_json(media_type):
        return "", []
    try:
        body: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return "", []
    if not isinstance(body, dict):
        return "", []
    inner = body.get("error")
    if isinstance(inner, dict):
        body = inner
    # From specific to general: many services put their sentence into a plain "error".
    message = _first_text(body, ("message", "detail", "error_description", "error", "title"))
    details = body.get("details")
    return quotable(message, _MAX_MESSAGE), _details(details, pool) if isinstance(
        details, list
    ) else []


def _first_text(body: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((body[key] for key in keys if isinstance(body.get(key), str) and body[key]), "")


def _details(items: list[Any], pool: DescriptorPool) -> list[bytes]:
    packed = []
    for item in items[:_MAX_DETAILS]:
        if not isinstance(item, dict) or not isinstance(item.get("@type"), str):
            continue
        try:
            detail = json_format.ParseDict(
                item, any_pb2.Any(), ignore_unknown_fields=True, descriptor_pool=pool
            )
        except Exception:  # json_format lets KeyError and others out of a malformed Any
            continue  # of a type that nobody here knows, or not of its type's form
        packed.append(detail.SerializeToString())
    return packed
