"""An HTTP answer to a serialized response message.

What a 2xx holds must be what the method declares: JSON by its media type and by
its content. Anything else is an error, never an empty OK. Only google.api.HttpBody
takes a body of any media type, as it is.
"""

import codecs
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer
from gateway.core.status import Code
from gateway.transcode.binding import Binding
from gateway.transcode.codec import CodecError, JsonCodec, Parser
from gateway.transcode.header_fields import ResponseHeaderFields
from gateway.transcode.prose import quotable

_BY_ROOT = " (json.response_root)"
_CHARSETS = frozenset(
    (
        *("iso-8859-1", "latin-1", "latin1", "iso-8859-15", "windows-1252", "cp1252"),
        *("utf-8-sig", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be"),
    )
)
"""What is read beside UTF-8. Python knows more, some of them slower than any body is worth."""
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
            if charset not in _CHARSETS:
                raise LookupError
            return body.decode(charset).encode()
        except (LookupError, ValueError):
            raise invalid_answer(f"its body is not {charset[:40]!r}", status) from None
    return body


def _unfit(text: str, status: int) -> CallError:
    why = quotable(text, 300)
    return invalid_answer(f"its body does not fit the method: {why}", status)


class AnswerDecoder:
    """Parses the answers of one method.

    Args:
        new_message: the class of the response message.
        codec: parses the body.
        root: keys that lead to where the message lies in a JSON value.
        header_fields: fills fields from headers, None where none is declared.
    """

    def __init__(
        self,
        new_message: Any,
        codec: JsonCodec,
        root: Sequence[str] = (),
        header_fields: ResponseHeaderFields | None = None,
    ) -> None:
        self._new_message = new_message
        self._message: Descriptor = new_message.DESCRIPTOR
        self._codec = codec
        self._root = tuple(root)
        self._header_fields = header_fields
        self._parsers: dict[str | None, Parser] = {None: codec.parser(new_message, self._message)}

    def begins_with(self, *keys: str) -> bool:
        """Tell whether messages lie under one of `keys` in each value."""
        return bool(self._root) and self._root[0] in keys

    def decode(self, answer: HttpAnswer, binding: Binding) -> bytes:
        """Return the serialized message of a 2xx answer.

        Raises:
            CallError: the answer is not what the method declares.
        """
        if binding.answer_is_raw:
            content_type = answer.headers.get("content-type", "")
            payload = self.decode_raw(answer.body, content_type, binding)
        elif not answer.body or answer.status == 204:
            payload = b""
        else:
            text = json_text(answer.headers, answer.body, answer.status)
            payload = self.decode_value(text, binding, answer.status)
        if self._header_fields is not None:
            try:
                payload = self._header_fields.fill(payload, answer.headers)
            except CodecError as error:
                raise invalid_answer(str(error), answer.status) from None
        return payload

    def decode_value(self, text: bytes, binding: Binding, status: int = 200) -> bytes:
        """Return the serialized message of one JSON text."""
        try:
            if self._root:
                return self.decode_plain(orjson.loads(text), binding, status)
            return self._parser(binding).to_wire(text)
        except orjson.JSONDecodeError as error:
            raise _unfit(f"the JSON is malformed: {error}", status) from None
        except CodecError as error:
            raise _unfit(str(error), status) from None

    def decode_plain(self, value: Any, binding: Binding, status: int = 200) -> bytes:
        """Return the serialized message of one JSON value that is already read."""
        if self._root:
            value = self._at_root(value, status)
            if value is None:
                return b""
        try:
            return self._parser(binding).to_wire_from_plain(value)
        except CodecError as error:
            raise _unfit(str(error), status) from None

    def _parser(self, binding: Binding) -> Parser:
        field = binding.response_body
        name = None if field is None else field.json_name
        parser = self._parsers.get(name)
        if parser is None:
            parser = self._codec.parser(self._new_message, self._message, field)
            self._parsers[name] = parser
        return parser

    def _at_root(self, value: Any, status: int) -> Any:
        for depth, key in enumerate(self._root):
            where = ".".join(self._root[:depth])
            if not isinstance(value, dict):
                what = repr(where) if where else "body"
                raise invalid_answer(f"its {what} is no object{_BY_ROOT}", status)
            if key not in value:
                at = f" at {where!r}" if where else ""
                raise invalid_answer(f"its body has no {key!r}{at}{_BY_ROOT}", status)
            value = value[key]
        return value

    def decode_raw(self, body: bytes, content_type: str, binding: Binding) -> bytes:
        """Return the serialized message that holds a google.api.HttpBody, or is one.

        Args:
            body: of any media type, or a part of it.
            content_type: the whole header; left out where it is not ASCII.
            binding: whose `answer_is_raw`.
        """
        message = self._new_message()
        field = binding.response_body
        holder = message if field is None else getattr(message, field.name)
        if content_type.isascii():
            holder.content_type = content_type
        holder.data = body
        if field is not None:
            holder.SetInParent()
        raw: bytes = message.SerializeToString()
        return raw
