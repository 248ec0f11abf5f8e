"""Struct, Value and ListValue: JSON without a schema.

Read, they become wire bytes at once, which costs a third of building a message for
each value; the field numbers are those of google/protobuf/struct.proto:
  Struct     1 fields, of entries with 1 key, 2 value
  Value      1 null, 2 number, 3 string, 4 bool, 5 struct, 6 list
  ListValue  1 values
"""

import struct
from collections.abc import Callable
from typing import Any

from gateway.transcode.mapping.scalars import UnusualError

_NUMBER = struct.Struct("<Bd").pack
_SHORT = [bytes((n,)) for n in range(128)]
_TRUE, _FALSE, _NULL = b"\x20\x01", b"\x20\x00", b"\x08\x00"
_NUMBER_TAG = 0x11

Read = Callable[[Any, int], bytes]


def _length(count: int) -> bytes:
    if count < 128:
        return _SHORT[count]
    out = bytearray()
    while count > 127:
        out.append(count & 127 | 128)
        count >>= 7
    out.append(count)
    return bytes(out)


def readers(max_depth: int) -> tuple[Read, Read, Read]:
    """Return how a Struct, a Value and a ListValue are read.

    Each takes the JSON value and how many messages it stands in, itself included.

    Args:
        max_depth: messages above each other; each Value is one, and the Struct or
            ListValue in it one more.
    """

    def value(plain: Any, depth: int) -> bytes:
        kind = plain.__class__
        if kind is str:
            text: bytes = plain.encode()
            size = len(text)
            return b"\x1a" + (_SHORT[size] if size < 128 else _length(size)) + text
        if kind is float or kind is int:
            return _NUMBER(_NUMBER_TAG, plain)
        if plain is True:
            return _TRUE
        if plain is None:
            return _NULL
        if plain is False:
            return _FALSE
        if kind is dict:
            inner = fields(plain, depth + 1)
            return b"\x2a" + _length(len(inner)) + inner
        inner = values(plain, depth + 1)
        return b"\x32" + _length(len(inner)) + inner

    def fields(plain: Any, depth: int) -> bytes:
        if plain.__class__ is not dict or depth + bool(plain) > max_depth:
            raise UnusualError
        depth += 1
        parts: list[bytes] = []
        for key, item in plain.items():
            name, inner = key.encode(), value(item, depth)
            named, held = len(name), len(inner)
            if named + held < 120:  # so that every length is one byte
                head = b"\n%c\n%c" % (named + held + 4, named)
                parts += (head, name, b"\x12", _SHORT[held], inner)
            else:
                entry = b"".join((b"\n", _length(named), name, b"\x12", _length(held), inner))
                parts += (b"\n", _length(len(entry)), entry)
        return b"".join(parts)

    def values(plain: Any, depth: int) -> bytes:
        if plain.__class__ is not list or depth + bool(plain) > max_depth:
            raise UnusualError
        depth += 1
        parts: list[bytes] = []
        for item in plain:
            inner = value(item, depth)
            parts += (b"\n", _length(len(inner)), inner)
        return b"".join(parts)

    return fields, value, values


def plain_value(message: Any) -> Any:
    """Return what a Value holds; None where it holds nothing."""
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number = message.number_value
        if number - number != 0:
            raise ValueError(f"a google.protobuf.Value cannot be {number}")
        return number
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return plain_struct(message.struct_value)
    if kind == "list_value":
        return plain_list(message.list_value)
    return None


def plain_struct(message: Any) -> dict[str, Any]:
    """Return what a Struct holds."""
    fields = message.fields
    plain = {}
    for key in fields:
        value = fields[key]
        # Most values are text, which is read without another call.
        plain[key] = value.string_value or plain_value(value)
    return plain


def plain_list(message: Any) -> list[Any]:
    """Return what a ListValue holds."""
    return [plain_value(item) for item in message.values]
