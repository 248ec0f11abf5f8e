"""An HTTP answer to a serialized response message.

What a 2xx holds must be what the method declares: JSON by its media type and by
its content. Anything else is an error, never an empty OK.
"""

import codecs
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from google.protobuf.message import EncodeError

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer
from gateway.core.status import Code
from gateway.transcode.binding import Binding
from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.prose import quotable

_UTF8 = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))


def invalid_answer(text: str, status: int = 200) -> CallError:
    """Return the error for an answer that is not what the method declares."""
    return CallError(
        Code.INTERNAL,
        Reason.UPSTREAM_INVALID_ANSWER,
        f"the upstream answered {status}, but {text}",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
        http_status=status,
    )


def split_media_type(content_type: str) -> tuple[str, str]:
    """Return media type and charset, both in lower case; the charset may be ""."""
    media_type, *parameters = content_type.split(";")
    charset = ""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return media_type.strip().lower(), charset


def is_json(media_type: str) -> bool:
    """Tell whether a media type is JSON: application/json or application/*+json."""
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def json_text(headers: Mapping[str, str], body: bytes, status: int) -> bytes:
    """Return `body` as UTF-8 JSON text.

    Raises:
        CallError: the media type is not JSON, or the charset does not fit.
    """
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]  # a parser may ignore it (RFC 8259, section 8.1)
    content_type = headers.get("content-type", "")
    if content_type == "application/json":
        return body
    media_type, charset = split_media_type(content_type)
    if media_type and not is_json(media_type):
        raise invalid_answer(f"with {media_type[:80]!r} instead of JSON", status)
    if charset and charset not in _UTF8:
        try:
            return body.decode(charset).encode()
        except (LookupError, ValueError):  # some codecs raise less than UnicodeDecodeError
            raise invalid_answer(f"its body is not {charset[:40]!r}", status) from None
    return body


def is_envelope(text: bytes) -> bool:
    """Tell whether a JSON value is grpc-gateway's {"result": …} or {"error": …}.

    Ignoring unknown fields would make the empty message of one, and lose an error.
    """
    value = orjson.loads(text)
    return isinstance(value, dict) and bool(value) and value.keys() <= {"result", "error"}


class AnswerDecoder:
    """Parses the answers of one method.

    Args:
        new_message: makes an empty response message.
        codec: parses the body.
    """

    def __init__(self, new_message: Callable[[], Any], codec: JsonCodec) -> None:
        self._new_message = new_message
        self._codec = codec

    def decode(self, answer: HttpAnswer, binding: Binding) -> bytes:
        """Return the serialized message of a 2xx answer.

        Raises:
            CallError: the answer is not what the method declares.
        """
        if not answer.body or answer.status == 204:
            return b""
        text = json_text(answer.headers, answer.body, answer.status)
        return self.decode_value(text, binding, answer.status)

    def decode_value(self, text: bytes, binding: Binding, status: int = 200) -> bytes:
        """Return the serialized message of one JSON value."""
        field = binding.response_body.json_name if binding.response_body is not None else None
        try:
            message = self._codec.parse(text, self._new_message(), field)
            payload: bytes = message.SerializeToString()
        except (CodecError, EncodeError) as error:  # the latter: a required field is missing
            why = quotable(str(error), 300)
            raise invalid_answer(f"its body does not fit the method: {why}", status) from None
        return payload
