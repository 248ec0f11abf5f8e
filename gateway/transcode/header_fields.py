"""Header values from and to fields of messages, by the policy's allow-list.

Out: a field of the request becomes a header, and must be printable ASCII. Back: a
header of the answer fills a field of the response, and goes before what the body says
of that field.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.core.errors import invalid_request
from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.fields import FieldPathError, FieldReader
from gateway.transcode.habits import Habits

_BOOLEANS = {"true": True, "false": False}


def headers_of(message: Any, readers: Sequence[tuple[str, FieldReader]]) -> dict[str, str]:
    """Return the headers that carry fields of a request; an unset field has none.

    A scalar without presence counts as unset where it holds its default.

    Raises:
        CallError: INVALID_ARGUMENT for a value that no header can carry.
        FieldValueError: a value has no text.
    """
    headers: dict[str, str] = {}
    for name, read in readers:
        if not read.is_set(message):
            continue
        text = read(message)
        if text is None:
            continue
        if not (text.isascii() and text.isprintable()) or text != text.strip():
            raise invalid_request(
                f"the field {read.path!r} travels as the header {name!r}, which cannot carry "
                "control characters, space at its ends or anything beyond ASCII",
                read.path,
            )
        headers[name] = text
    return headers


class ResponseHeaderFields:
    """Fills fields of a response from headers.

    Args:
        message: the response.
        fields: header, in lower case, to field path.
        habits: how names and values are written.
        codec: parses what a header says.
        new_message: the class of the response.

    Raises:
        FieldPathError: a path leads to no scalar; its sentence names the header.
    """

    def __init__(
        self,
        message: Descriptor,
        fields: Mapping[str, str],
        habits: Habits,
        codec: JsonCodec,
        new_message: Any,
    ) -> None:
        self._parser = codec.parser(new_message, message)
        self._new_message = new_message
        self._paths = [
            (
                header,
                reader.json_path,
                tuple(reader.path.split(".")),
                reader.field.type == FieldDescriptor.TYPE_BOOL,
            )
            for header, reader in check_response_fields(message, fields, habits)
        ]

    def fill(self, payload: bytes, headers: Mapping[str, str]) -> bytes:
        """Return a serialized message with the fields that an answer's headers fill.

        Args:
            payload: the message of the answer's body.
            headers: of the answer.

        Raises:
            CodecError: a header does not fit its field.
        """
        plain: dict[str, Any] = {}
        filled = []
        for header, path, names, is_bool in self._paths:
            text = headers.get(header)
            if text is None:
                continue
            filled.append(names)
            into = plain
            for name in path[:-1]:
                into = into.setdefault(name, {})
            into[path[-1]] = _BOOLEANS.get(text.lower(), text) if is_bool else text
        if not filled:
            return payload
        try:
            said = self._parser.from_plain(plain)
        except CodecError as error:
            raise CodecError(f"a header does not fit its field: {error}") from None
        message = self._new_message.FromString(payload)
        for names in filled:
            _clear(message, names)
        message.MergeFrom(said)
        merged: bytes = message.SerializePartialToString()  # the body has been checked
        return merged


def _clear(message: Any, names: Sequence[str]) -> None:
    *parents, last = names
    for parent in parents:
        if not message.HasField(parent):
            return
        message = getattr(message, parent)
    message.ClearField(last)


def check_response_fields(
    message: Descriptor, fields: Mapping[str, str], habits: Habits
) -> list[tuple[str, FieldReader]]:
    """Return a reader of each field that a header fills.

    Raises:
        FieldPathError: a path leads to no scalar; its sentence names the header.
    """
    found = []
    for header, path in sorted(fields.items()):
        try:
            found.append((header, FieldReader(message, path, habits)))
        except FieldPathError as error:
            raise FieldPathError(f"headers.response_fields.{header}: {error}") from None
    return found
