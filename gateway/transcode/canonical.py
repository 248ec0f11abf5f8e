"""What a request says, as bytes that are the same for equal requests.

For fingerprints that outlive a process: protobuf's own bytes differ between versions, orders
of maps and fields, and unknown fields (protobuf.dev, "Serialization is not canonical").

Rules:
1. Fields count by number and value, in the order of their numbers. What is not set, and what
   holds its default where that cannot be told from not set, does not count; presence that can
   be told does.
2. Maps count in the order of their keys. -0.0 is 0.0; every NaN is one.
3. Unknown fields do not count.
4. An Any counts by what it holds, where its type is known; else by its bytes.
"""

import hashlib
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import orjson
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from gateway.transcode.fields import is_map

_BYTES = FieldDescriptor.TYPE_BYTES
_FLOATS = frozenset((FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT))
_ANY = "google.protobuf.Any"

Unpack = Callable[[str, bytes], "Message | None"]
"""Returns the message of a type URL, None where it is not known."""


def _unknown(_url: str, _value: bytes) -> Message | None:
    return None


class Canonical:
    """Makes fingerprints of messages.

    Args:
        unpack: knows what an Any may hold.
    """

    def __init__(self, unpack: Unpack = _unknown) -> None:
        self._unpack = unpack

    def fingerprint(self, message: Message) -> bytes:
        """Return the SHA-256 of what `message` says."""
        return hashlib.sha256(orjson.dumps(self._message(message))).digest()

    def of_fields(self, paths: Sequence[str]) -> Callable[[Message], bytes]:
        """Return what makes the fingerprint of some fields; each is a path from the message.

        A field that is not set counts as its default.
        """
        readers = tuple((path, attrgetter(path)) for path in sorted(paths))

        def fingerprint(message: Message) -> bytes:
            said = [[path, self._any_value(read(message))] for path, read in readers]
            return hashlib.sha256(orjson.dumps(said)).digest()

        return fingerprint

    def _message(self, message: Message) -> list[Any]:
        if message.DESCRIPTOR.full_name == _ANY:
            return self._any(message)
        said: list[Any] = []
        for field, value in message.ListFields():
            if (
                field.type in _FLOATS
                and not field.has_presence
                and not field.is_repeated
                and value == 0
            ):
                continue  # -0.0
            said.append([field.number, self._field(field, value)])
        return said

    def _field(self, field: FieldDescriptor, value: Any) -> Any:
        if is_map(field):
            entry: Any = field.message_type
            write = self._writer(entry.fields_by_name["value"])
            return [[key, write(value[key])] for key in sorted(value)]
        write = self._writer(field)
        return [write(one) for one in value] if field.is_repeated else write(value)

    def _writer(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        if field.message_type is not None:
            return self._message
        if field.type == _BYTES:
            return _hexadecimal
        return _number if field.type in _FLOATS else _itself

    def _any_value(self, value: Any) -> Any:
        """Return what a value read by a path says, whatever it is."""
        if isinstance(value, Message):
            return self._message(value)
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, float):
            return _number(value)
        if isinstance(value, str | int):
            return value
        if hasattr(value, "items"):
            return [[key, self._any_value(value[key])] for key in sorted(value)]
        return [self._any_value(one) for one in value]

    def _any(self, message: Any) -> list[Any]:
        try:
            held = self._unpack(message.type_url, message.value)
        except DecodeError:
            held = None
        name = message.type_url.rpartition("/")[2]
        return [name, message.value.hex() if held is None else self._message(held)]


def _itself(value: Any) -> Any:
    return value


def _hexadecimal(value: bytes) -> str:
    return value.hex()


def _number(value: float) -> Any:
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    return value or 0.0
