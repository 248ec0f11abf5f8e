"""An upstream's error answer to a CallError, its own words kept.

Three shapes of JSON bodies are understood: Google's ({"error": {"code",
"message", "status", "details"}}), grpc-gateway's ({"code", "message",
"details"}) and RFC 9457 problem details ({"title", "detail", …}). Of anything
else, HTML above all, nothing reaches the caller but the status.

401 to a credential of the gateway's own is not the caller's fault: it is UNAVAILABLE, with the
reason CREDENTIAL_UNAVAILABLE.

Whoever says when to come back (Retry-After) says that it helps, whatever the status.

In the middle of a stream there is no HTTP status any more; there the body's own code
counts (grpc-gateway's {"error": {"code" or "grpc_code", "http_code", …}}).
"""

import datetime
import email.utils
import functools
from collections.abc import Mapping
from typing import Any

import orjson
from google.protobuf import any_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer
from gateway.core.status import Code, code_for_http
from gateway.transcode.codec import CodecError, JsonCodec, Parser
from gateway.transcode.decode import is_json, split_media_type
from gateway.transcode.prose import quotable

_LONGEST_S = 1e10  # more than three hundred years, which google.protobuf.Duration can hold
_MAX_MESSAGE = 1024
_MAX_DETAILS = 16
_MAX_LISTED = 5
_TRANSIENT = frozenset((408, 429, 502, 503, 504))
_UNAUTHORIZED = 401


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
    *,
    keep_body: bool = False,
    of_gateway: bool = False,
) -> CallError:
    """Return the error of an answer that is not 2xx.

    Args:
        answer: with as much of its body as is allowed.
        upstream: its name, for the sentence.
        overrides: statuses that the method maps otherwise.
        pool: where the types of error details are looked up.
        wall: now, for a Retry-After that is a date.
        keep_body: whether the error catalog reads what the upstream said.
        of_gateway: the upstream was called with the gateway's own credential.
    """
    body = _body(answer)
    message, details = _understand(body, pool)
    status = answer.status
    text = f"upstream {upstream!r} answered {status}"
    if 300 <= status < 400 and not message:
        message = "a redirect that is not followed (redirects.max_redirects)"
    # That of a redirect is about where it leads, and not about the same call (RFC 9110, 10.2.3).
    delay_s = retry_after(answer.headers.get("retry-after"), wall) if status >= 400 else None
    code, reason = code_for_http(status, overrides), Reason.UPSTREAM_STATUS
    if status == _UNAUTHORIZED and of_gateway and status not in overrides:
        code, reason = Code.UNAVAILABLE, Reason.CREDENTIAL_UNAVAILABLE
        text = f"upstream {upstream!r} does not accept the gateway's own credential (401)"
    return CallError(
        code,
        reason,
        f"{text}: {message}" if message else text,
        origin=Origin.UPSTREAM,
        sent=Sent.REFUSED if status == 429 else Sent.ANSWERED,
        transient=status in _TRANSIENT or delay_s is not None,
        http_status=status,
        retry_after_s=delay_s,
        upstream=upstream,
        details=details,
        body=body if keep_body else None,
    )


def stream_failure(
    error: Any,
    upstream: str,
    overrides: Mapping[int, Code],
    pool: DescriptorPool,
    *,
    keep_body: bool = False,
) -> CallError:
    """Return the error that an upstream tells in the middle of its stream.

    Args:
        error: what stands behind "error"; an object, or a sentence.
        upstream: its name, for the sentence.
        overrides: HTTP statuses that the method maps otherwise.
        pool: where the types of error details are looked up.
        keep_body: whether the error catalog reads what the upstream said.
    """
    body = error if isinstance(error, dict) else {"message": error}
    code = _own_code(body, overrides)
    message, details = _words(body, pool)
    text = f"upstream {upstream!r} ended its stream with {code.name}"
    return CallError(
        code,
        Reason.UPSTREAM_STATUS,
        f"{text}: {message}" if message else text,
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
        transient=code is Code.UNAVAILABLE,
        upstream=upstream,
        details=details,
        body={"error": error} if keep_body else None,
    )


def _own_code(body: dict[str, Any], overrides: Mapping[int, Code]) -> Code:
    """Return the code that a body names: by name, as gRPC's number or as an HTTP status."""
    name = body.get("status")
    if isinstance(name, str) and name != "OK" and name in Code.__members__:
        return Code[name]
    for key in ("grpc_code", "grpcCode", "code", "http_code", "httpCode", "status"):
        number = body.get(key)
        if type(number) is not int:
            continue
        if 1 <= number <= max(Code):
            return Code(number)
        if 300 <= number <= 599:
            return code_for_http(number, overrides)
    return Code.UNKNOWN


def _body(answer: HttpAnswer) -> Any:
    media_type, _ = split_media_type(answer.headers.get("content-type", ""))
    if not is_json(media_type):
        return None
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _understand(body: Any, pool: DescriptorPool) -> tuple[str, list[bytes]]:
    if not isinstance(body, dict):
        return "", []
    inner = body.get("error")
    return _words(inner if isinstance(inner, dict) else body, pool)


def _words(body: dict[str, Any], pool: DescriptorPool) -> tuple[str, list[bytes]]:
    # From specific to general: many services put their sentence into a plain "error".
    message = _first_text(body, ("message", "detail", "error_description", "error", "title"))
    message = message or _listed(body.get("detail")) or _listed(body.get("errors"))
    details = body.get("details")
    return quotable(message, _MAX_MESSAGE), _details(details, pool) if isinstance(
        details, list
    ) else []


def _first_text(body: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((body[key] for key in keys if isinstance(body.get(key), str) and body[key]), "")


def _listed(items: Any) -> str:
    """Return the sentences of a list of errors: what frameworks for Python and JSON:API send."""
    found = []
    for item in items[:_MAX_LISTED] if isinstance(items, list) else ():
        if isinstance(item, dict):
            text = _first_text(item, ("msg", "detail", "message", "title"))
            where = item.get("loc")
            if isinstance(where, list):
                text = f"{'.'.join(map(str, where[:8]))}: {text}"
            found.append(text)
        elif isinstance(item, str):
            found.append(item)
    return "; ".join(filter(None, found))


@functools.lru_cache(maxsize=16)
def _any_parser(pool: DescriptorPool) -> Parser:
    return JsonCodec(pool).parser(any_pb2.Any, any_pb2.Any.DESCRIPTOR)


def _details(items: list[Any], pool: DescriptorPool) -> list[bytes]:
    packed = []
    parser = _any_parser(pool)
    for item in items[:_MAX_DETAILS]:
        if not isinstance(item, dict) or not isinstance(item.get("@type"), str):
            continue
        try:
            packed.append(parser.to_wire_from_plain(item))
        except CodecError:
            continue  # of a type that nobody here knows, or not of its type's form
    return packed
