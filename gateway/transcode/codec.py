"""JSON to protobuf and back, by the protobuf JSON mapping.

The seam behind which the JSON step lives: encode and decode know only these
functions. Unknown fields are ignored, nesting is capped.
"""

import enum
from collections.abc import Sequence
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from gateway.transcode.fields import TEXT_MESSAGES, is_map, is_text_message
from gateway.transcode.prose import quotable

_MAX_MESSAGE = 300
_OWN_JSON = TEXT_MESSAGES | {
    f"google.protobuf.{name}" for name in ("Any", "ListValue", "Struct", "Value")
}
"""Messages whose JSON is not an object of their fields."""


_Objects = dict[str, tuple["_Shape", "_Objects"]]
"""The fields of a message that hold objects of known fields, by both of their names."""


class _Shape(enum.Enum):
    ONE = enum.auto()
    LIST = enum.auto()
    MAP = enum.auto()


class CodecError(ValueError):
    """JSON that is not what the message declares, or a message that has none; says why."""

    def __init__(self, text: str) -> None:
        super().__init__(quotable(text, _MAX_MESSAGE))


class JsonCodec:
    """Prints and parses messages of one descriptor pool.

    Args:
        pool: where the types of google.protobuf.Any are looked up.
        max_depth: nesting of objects and arrays that is accepted.
    """

    def __init__(self, pool: DescriptorPool, max_depth: int = 100) -> None:
        self._pool = pool
        self._max_depth = max_depth
        self._objects: dict[str, _Objects] = {}

    def to_json(self, message: Message, skip: Sequence[Sequence[str]] = ()) -> bytes:
        """Return `message` as JSON, without the JSON paths in `skip`.

        Raises:
            CodecError: the message has no JSON form: a time past the year 9999, an Any
                of a type that is not known, …
        """
        plain = self._print(message)
        for path in skip:
            _remove(plain, path)
        return orjson.dumps(plain)

    def field_to_json(self, message: Message, field: FieldDescriptor) -> bytes:
        """Return one field of `message` as JSON; unset, its empty value.

        The empty value of what can be absent is null, of any other message `{}`.

        Raises:
            CodecError: as `to_json`.
        """
        if field.message_type is not None and not field.is_repeated:
            if is_text_message(field) and not message.HasField(field.name):
                return b"null"
            return self.to_json(getattr(message, field.name))
        plain = self._print(message)
        if field.json_name not in plain and not field.has_presence:
            plain = self._print(type(message)(), always_print_fields_with_no_presence=True)
        return orjson.dumps(plain.get(field.json_name))

    def _print(self, message: Message, **how: bool) -> Any:
        try:
            return json_format.MessageToDict(message, descriptor_pool=self._pool, **how)
        except RecursionError:
            raise CodecError("it is nested too deep") from None
        except Exception as error:  # an Any raises TypeError, DecodeError, …
            raise CodecError(str(error)) from None

    def parse(self, body: bytes, into: Message, field: str | None = None) -> Message:
        """Fill `into` from JSON and return it.

        Args:
            body: one JSON value.
            into: an empty message.
            field: JSON name of the field that the value is, None for the message.

        Raises:
            CodecError: the JSON is malformed or does not fit the message.
        """
        try:
            plain: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise CodecError(f"the JSON is malformed: {error}") from error
        if field is not None:
            plain = {field: plain}
        try:
            if into.DESCRIPTOR.full_name not in _OWN_JSON:
                _check_objects(plain, self._objects_in(into.DESCRIPTOR), "")
            return json_format.ParseDict(
                plain,
                into,
                ignore_unknown_fields=True,
                descriptor_pool=self._pool,
                max_recursion_depth=self._max_depth,
            )
        except CodecError:
            raise
        except RecursionError as error:
            raise CodecError(f"the JSON is nested deeper than {self._max_depth}") from error
        except Exception as error:  # a malformed Any raises KeyError, AttributeError, …
            raise CodecError(str(error)) from error

    def _objects_in(self, message: Any) -> _Objects:
        known = self._objects.get(message.full_name)
        if known is None:
            known = self._objects[message.full_name] = {}
            for field in message.fields:
                inner = field.message_type
                shape = _shape(field)
                if shape is _Shape.MAP:
                    inner = inner.fields_by_name["value"].message_type
                if inner is not None and inner.full_name not in _OWN_JSON:
                    known[field.name] = known[field.json_name] = shape, self._objects_in(inner)
        return known


def _shape(field: FieldDescriptor) -> _Shape:
    if is_map(field):
        return _Shape.MAP
    return _Shape.LIST if field.is_repeated else _Shape.ONE


def _check_objects(plain: Any, objects: _Objects, path: str) -> None:
    # json_format iterates over whatever stands for an object; with unknown fields
    # ignored it takes "text" and ["text"] for empty messages.
    if not isinstance(plain, dict):
        where = f" at {path}" if path else ""
        raise CodecError(f"expected a JSON object, found {_kind(plain)}{where}")
    if not objects:
        return
    for name, value in plain.items():
        found = objects.get(name)
        if found is None or value is None:
            continue
        shape, inner = found
        below = f"{path}.{name}" if path else name
        if shape is _Shape.ONE:
            _check_objects(value, inner, below)
        elif shape is _Shape.LIST and isinstance(value, list):
            for item in value:
                _check_objects(item, inner, below)
        elif shape is _Shape.MAP and isinstance(value, dict):
            for item in value.values():
                _check_objects(item, inner, below)


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _remove(plain: Any, path: Sequence[str]) -> None:
    *heads, last = path
    for head in heads:
        plain = plain.get(head)
        if not isinstance(plain, dict):
            return
    plain.pop(last, None)
