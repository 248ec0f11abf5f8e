"""What a field is to the JSON mapping: its shape, its kind, how deep its messages nest.

Asked while code is generated, never on the way of a call.
"""

import enum
import functools
import math
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

_F = FieldDescriptor
_WRAPPERS = "google/protobuf/wrappers.proto"
_NULL = "google.protobuf.NullValue"


class Shape(enum.Enum):
    """How many values a field has."""

    ONE = enum.auto()
    LIST = enum.auto()
    MAP = enum.auto()


class Kind(enum.Enum):
    """What the JSON of one value looks like."""

    STRING = enum.auto()
    BYTES = enum.auto()
    BOOL = enum.auto()
    INT = enum.auto()
    LONG = enum.auto()
    """64 bits: text in JSON."""
    DOUBLE = enum.auto()
    FLOAT = enum.auto()
    ENUM = enum.auto()
    NULL = enum.auto()
    MESSAGE = enum.auto()
    WRAPPER = enum.auto()
    TIMESTAMP = enum.auto()
    DURATION = enum.auto()
    MASK = enum.auto()
    STRUCT = enum.auto()
    VALUE = enum.auto()
    LIST = enum.auto()
    ANY = enum.auto()


_WELL_KNOWN = {
    "google.protobuf.Timestamp": Kind.TIMESTAMP,
    "google.protobuf.Duration": Kind.DURATION,
    "google.protobuf.FieldMask": Kind.MASK,
    "google.protobuf.Struct": Kind.STRUCT,
    "google.protobuf.Value": Kind.VALUE,
    "google.protobuf.ListValue": Kind.LIST,
    "google.protobuf.Any": Kind.ANY,
}
_SCALARS = {
    _F.TYPE_STRING: Kind.STRING,
    _F.TYPE_BYTES: Kind.BYTES,
    _F.TYPE_BOOL: Kind.BOOL,
    _F.TYPE_DOUBLE: Kind.DOUBLE,
    _F.TYPE_FLOAT: Kind.FLOAT,
}
_LONGS = (_F.CPPTYPE_INT64, _F.CPPTYPE_UINT64)
_FREE = (Kind.STRUCT, Kind.VALUE, Kind.LIST, Kind.ANY)


def kind_of_message(message: Descriptor) -> Kind:
    """Return what the JSON of a message is."""
    if message.file.name == _WRAPPERS:
        return Kind.WRAPPER
    return _WELL_KNOWN.get(message.full_name, Kind.MESSAGE)


def kind_of(field: FieldDescriptor) -> Kind:
    """Return what the JSON of one value of `field` is; of a map, of its entries."""
    if field.message_type is not None:
        return kind_of_message(field.message_type)
    if field.enum_type is not None:
        return Kind.NULL if field.enum_type.full_name == _NULL else Kind.ENUM
    if field.cpp_type in _LONGS:
        return Kind.LONG
    return _SCALARS.get(field.type, Kind.INT)


def shape_of(field: FieldDescriptor) -> Shape:
    """Return how many values `field` has."""
    if not field.is_repeated:
        return Shape.ONE
    inner = field.message_type
    if inner is not None and inner.has_options and inner.GetOptions().map_entry:
        return Shape.MAP
    return Shape.LIST


def value_of(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field itself, or of a map the field of its values."""
    return _entry(field, "value") if shape_of(field) is Shape.MAP else field


def key_of(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field of a map's keys."""
    return _entry(field, "key")


def _entry(field: FieldDescriptor, part: str) -> FieldDescriptor:
    entry: Any = field.message_type
    found: FieldDescriptor = entry.fields_by_name[part]
    return found


def keeps_null(field: FieldDescriptor) -> bool:
    """Tell whether null is more than an absent field; in a list it is a mistake."""
    return shape_of(field) is not Shape.MAP and kind_of(field) in (Kind.VALUE, Kind.NULL)


@functools.lru_cache(maxsize=256)  # a pool that is replaced is not kept for ever
def checks_strings(file: FileDescriptor) -> bool:
    """Tell whether the strings of a file are always UTF-8; in others they may be bytes."""
    described = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)
    return described.syntax == "proto3"


class Heights:
    """How many messages stand above each other at most, by type; endless in a recursive one."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def of(self, message: Descriptor) -> float:
        """Return the height of `message`, itself included."""
        known = self._known.get(message.full_name)
        if known is None:
            self._known[message.full_name] = math.inf  # what comes back to it is endless
            known = self._measure(message)
            self._known[message.full_name] = known
        return known

    def _measure(self, message: Descriptor) -> float:
        kind = kind_of_message(message)
        if kind is not Kind.MESSAGE:
            return math.inf if kind in _FREE else 1
        inner: list[Any] = [value_of(field).message_type for field in message.fields]
        return 1 + max((self.of(one) for one in inner if one is not None), default=0)
