"""Random messages: everything that JSON can say, from a seed.

Rules:
1. A message is filled to a budget of values, so that the largest types of a library
   take no longer than its small ones; nesting ends with the budget.
2. Only what has a JSON form: times within their range, field masks that survive the
   change of case, Any with a type that is known, a Value that is set and finite.
3. Each kind of scalar has its edges (zero, limits, NaN, reserved characters, text
   that is not ASCII); an `optional` scalar may be set to its default.
"""

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf import struct_pb2, wrappers_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_F = FieldDescriptor
TEXTS = (
    *("", "a", "Zürich", "水", "🚢", "a b", "a/b", "a+b", "50%", "%2F", "x=1&y=2", "#?", "~._-"),
    *('"q"', "\\", "\n", "'", "{x}", "a:b", "@", "null", "..", "1e3", "\u2028", "\x7f"),
)
_INT32 = (0, 1, -1, 7, 2**31 - 1, -(2**31))
_INT64 = (0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63))
_UINT32 = (0, 1, 2**32 - 1)
_UINT64 = (0, 1, 2**53 + 1, 2**64 - 1)
_DOUBLES = (
    *(0.0, -0.0, 1.0, 5.0, 0.1, -2.5e-9, 1e16, 123456789.125, 1.7976931348623157e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf")),
)
_FLOATS = (0.0, 1.0, 0.1, -2.5e-9, 16777216.0, 3.0e38, 1e-45, float("nan"), float("inf"))
_SCALARS: dict[int, Sequence[Any]] = {
    _F.TYPE_STRING: TEXTS,
    _F.TYPE_BYTES: (b"", b"\0", b"\xff\xfe>?", b"seawall"),
    _F.TYPE_BOOL: (False, True),
    _F.TYPE_DOUBLE: _DOUBLES,
    _F.TYPE_FLOAT: tuple(struct.unpack("f", struct.pack("f", x))[0] for x in _FLOATS),
    **dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), _UINT64),
}
_MASKS = ("name", "display_name", "labels", "a.b_c", "state.end_time")


class MessageMaker:
    """Fills messages.

    Args:
        rng: where every choice comes from.
        budget: values in one message at most, about.
    """

    def __init__(self, rng: random.Random, budget: int = 40) -> None:
        self._rng = rng
        self._budget = budget
        self._left = 0
        self._own: dict[str, Callable[[Any], None]] = {
            "google.protobuf.Timestamp": self._timestamp,
            "google.protobuf.Duration": self._duration,
            "google.protobuf.FieldMask": self._mask,
            "google.protobuf.Struct": self._struct,
            "google.protobuf.Value": self._value,
            "google.protobuf.ListValue": self._list,
            "google.protobuf.Any": self._any,
        }

    def fill(self, message: Message) -> None:
        """Set some fields of `message`."""
        self._left = self._budget
        self._fill(message)

    def _fill(self, message: Any) -> None:
        own = self._own.get(message.DESCRIPTOR.full_name)
        if own is not None:
            own(message)
            return
        fields = list(message.DESCRIPTOR.fields)
        self._rng.shuffle(fields)
        share = self._rng.choice((0.1, 0.5, 0.9))
        for field in fields:
            if self._left <= 0:
                return
            if self._rng.random() < share:
                self._left -= 1
                self._set(message, field)

    def _set(self, message: Any, field: FieldDescriptor) -> None:
        name, kind = field.name, field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            entries, value = getattr(message, name), kind.fields_by_name["value"]
            for _ in range(self._rng.randint(1, 3)):
                key = self.scalar(kind.fields_by_name["key"])
                if value.message_type is not None:
                    self._fill(entries[key])
                else:
                    entries[key] = self.scalar(value)
        elif field.is_repeated:
            items = getattr(message, name)
            for _ in range(self._rng.randint(1, 3)):
                if kind is not None:
                    self._fill(items.add())
                else:
                    items.append(self.scalar(field))
        elif kind is not None:
            getattr(message, name).SetInParent()
            self._fill(getattr(message, name))
        else:
            setattr(message, name, self.scalar(field))

    def scalar(self, field: FieldDescriptor) -> Any:
        """Return a value for a field that is no message."""
        if field.type == _F.TYPE_ENUM:
            assert field.enum_type is not None
            numbers = [value.number for value in field.enum_type.values]
            unknown = [] if field.enum_type.is_closed else [max(numbers) + 7]
            return self._rng.choice(numbers * 5 + unknown)
        return self._rng.choice(_SCALARS[field.type])

    def segment(self) -> str:
        """Return text that is one segment of a path, whatever it is read by."""
        length = self._rng.randint(1, 6)
        letters = self._rng.choices("abcXYZ019-_.~ %+&=?#:;@!$'()*,[]{}|^\"<>`äß水🚢", k=length)
        return self._rng.choice("abc") + "".join(letters)

    def _timestamp(self, message: Any) -> None:
        message.seconds = self._rng.choice((0, 1, -1, 1767225600, 253402300799, -62135596800))
        message.nanos = self._rng.choice((0, 1, 1000, 120_000_000, 999_999_999))

    def _duration(self, message: Any) -> None:
        sign = self._rng.choice((1, -1))
        message.seconds = sign * self._rng.choice((0, 1, 3600, 315_576_000_000))
        message.nanos = sign * self._rng.choice((0, 1, 1000, 120_000_000, 999_999_999))
        if abs(message.seconds) == 315_576_000_000:
            message.nanos = 0

    def _mask(self, message: Any) -> None:
        message.paths.extend(self._rng.sample(_MASKS, self._rng.randint(0, 3)))

    def _struct(self, message: Any) -> None:
        for _ in range(self._rng.randint(0, 2)):
            self._value(message.fields[self._rng.choice(TEXTS)])

    def _list(self, message: Any) -> None:
        for _ in range(self._rng.randint(0, 2)):
            self._value(message.values.add())

    def _value(self, message: Any) -> None:
        self._left -= 1
        kind = self._rng.randint(0, 5 if self._left > 0 else 3)
        if kind == 0:
            message.null_value = struct_pb2.NULL_VALUE
        elif kind == 1:
            message.number_value = self._rng.choice((0.0, 1.0, -0.5, 1e16, 3e300))
        elif kind == 2:
            message.string_value = self._rng.choice(TEXTS)
        elif kind == 3:
            message.bool_value = self._rng.random() < 0.5
        elif kind == 4:
            message.struct_value.SetInParent()
            self._struct(message.struct_value)
        else:
            message.list_value.SetInParent()
            self._list(message.list_value)

    def _any(self, message: Any) -> None:
        kind = self._rng.choice(
            (struct_pb2.Struct, wrappers_pb2.StringValue, wrappers_pb2.Int64Value)
        )
        inner = kind()
        self._fill(inner)
        message.Pack(inner, deterministic=True)
