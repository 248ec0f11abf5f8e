"""Messages and JSON for comparing two readers of the mapping, drawn from a seed."""

import copy
import random
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from transcode.v1 import kinds_pb2 as kinds
from transcode.v1 import old_shapes_pb2 as old
from transcode.v1 import shapes_pb2 as pb

F = FieldDescriptor
TYPES = (
    pb.Shapes,
    pb.Maps,
    pb.Choice,
    pb.Known,
    pb.Names,
    old.OldShapes,
    old.OldMaps,
    kinds.Document,
    kinds.Request,
)
EXTENSIONS = (
    old.added_text,
    old.added_numbers,
    old.added_part,
    old.added_enum,
    old.Scope.scoped,
)
_INTS = {
    F.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    F.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    F.CPPTYPE_UINT32: (0, 2**32 - 1),
    F.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_TEXTS = ("", "a", "ä€😀", '\0\t\n"\\', "true", "1", "x" * 200, "NaN", "a,b", "</html>")
_DOUBLES = (
    0.0, -0.0, 1.0, 1.5, -2.25, 1e300, 5e-324, 0.1, 2**53 + 2.0,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_FLOATS = (
    0.0, -0.0, 1.0, 0.1, 16777217.0, 3.4028234663852886e38, 1e-45, 1.17549435e-38, 123456.789,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_PATHS = ("a", "a.b", "snake_case", "a.long_name_here", "x1", "")
_BAD_PATHS = ("Upper", "a__b", "trailing_", "a_1", "_é", "É", "é", "_", "a_B")


class Draw:
    """Draws messages of any type.

    Args:
        seed: two of one seed draw the same.
        density: share of fields that are set.
        spoilt: share of values that have no JSON form: times out of range, …
        whole_times: times are whole seconds, which a double holds.
    """

    def __init__(
        self, seed: int, density: float = 0.3, spoilt: float = 0.0, whole_times: bool = False
    ) -> None:
        self._whole_times = whole_times
        self.rng = random.Random(seed)
        self._density = density
        self._spoilt = spoilt

    def message(self, kind: type[Message]) -> Message:
        """Return a message of this type."""
        message = kind()
        self.fill(message, 4)
        return message

    def fill(self, message: Any, room: int) -> None:
        """Set fields of an empty message; nested ones get less `room`."""
        special = _SPECIAL.get(message.DESCRIPTOR.full_name)
        if special is not None:
            special(self, message, room)
            return
        wide = len(message.DESCRIPTOR.fields) > 30
        share = self._density * (0.4 if wide else 1) * (1 if room > 2 else 0.6)
        for field in message.DESCRIPTOR.fields:
            if field.is_required or self.rng.random() < share:
                self._set(message, field, room)
        if message.DESCRIPTOR is old.OldShapes.DESCRIPTOR:
            for extension in EXTENSIONS:
                if self.rng.random() < 0.1:
                    self._extend(message, extension, room)

    def scalar(self, field: FieldDescriptor) -> Any:
        """Return a value that `field` can hold."""
        rng = self.rng
        if field.enum_type is not None:
            numbers = list(field.enum_type.values_by_number)
            if field.enum_type.is_closed or rng.random() < 0.8:
                return rng.choice(numbers)
            return rng.choice((99, -99, 2**31 - 1, -(2**31)))
        if field.type == F.TYPE_BOOL:
            return rng.random() < 0.5
        if field.type == F.TYPE_STRING:
            return rng.choice(_TEXTS)
        if field.type == F.TYPE_BYTES:
            return rng.choice((b"", b"a", b"\xfb\xff\xbf\xfb", rng.randbytes(rng.randrange(20))))
        if field.type == F.TYPE_DOUBLE:
            return rng.choice(_DOUBLES) if rng.random() < 0.5 else rng.uniform(-1e6, 1e6)
        if field.type == F.TYPE_FLOAT:
            if rng.random() < 0.5:
                return rng.choice(_FLOATS)
            return struct.unpack("<f", rng.randbytes(4))[0]
        low, high = _INTS[field.cpp_type]
        edges = (low, high, 0, 1, low + 1, max(low, -1), min(high, 2**53 + 1))
        return rng.choice(edges) if rng.random() < 0.5 else rng.randint(low, high)

    def _set(self, message: Any, field: FieldDescriptor, room: int) -> None:
        inner = field.message_type
        if inner is not None and room <= 0 and not field.is_required:
            return
        value = getattr(message, field.name)
        if inner is not None and inner.has_options and inner.GetOptions().map_entry:
            key, kind = inner.fields_by_name["key"], inner.fields_by_name["value"]
            for _ in range(self.rng.randrange(3)):
                at = self.scalar(key)
                if kind.message_type is None:
                    value[at] = self.scalar(kind)
                else:
                    self.fill(value[at], room - 1)
        elif field.is_repeated:
            for _ in range(self.rng.randrange(4)):
                if inner is None:
                    value.append(self.scalar(field))
                else:
                    self.fill(value.add(), room - 1)
        elif inner is None:
            setattr(message, field.name, self.scalar(field))
        else:
            value.SetInParent()
            self.fill(value, room - 1)

    def _extend(self, message: Any, extension: FieldDescriptor, room: int) -> None:
        if extension.is_repeated:
            message.Extensions[extension].append(self.scalar(extension))
        elif extension.message_type is not None:
            self.fill(message.Extensions[extension], room - 1)
        else:
            message.Extensions[extension] = self.scalar(extension)

    # Messages with a JSON of their own.

    def _time(self, message: Any, _room: int) -> None:
        seconds = (-62135596800, 253402300799, 0, 1, -1, 1_780_000_000)
        message.seconds = self.rng.choice(seconds)
        nanos = (0, 1, 1_000, 20_000_000, 999_999_999, 123_456_000)
        message.nanos = 0 if self._whole_times else self.rng.choice(nanos)
        if self.rng.random() < self._spoilt:
            message.seconds = self.rng.choice((-62135596801, 253402300800, 2**62))
        if self.rng.random() < self._spoilt:
            message.nanos = self.rng.choice((-1, 10**9))

    def _duration(self, message: Any, _room: int) -> None:
        sign = self.rng.choice((1, -1))
        message.seconds = sign * self.rng.choice((0, 1, 315576000000, 3600))
        message.nanos = sign * self.rng.choice((0, 1, 1_000, 20_000_000, 999_999_999))
        if self.rng.random() < self._spoilt:
            message.seconds = self.rng.choice((315576000001, -315576000001))
        if self.rng.random() < self._spoilt:
            message.nanos = self.rng.choice((10**9, -(10**9), -message.nanos))

    def _mask(self, message: Any, _room: int) -> None:
        for _ in range(self.rng.randrange(3)):
            message.paths.append(self.rng.choice(_PATHS))
        if self.rng.random() < self._spoilt:
            message.paths.append(self.rng.choice(_BAD_PATHS))

    def _value(self, message: Any, room: int) -> None:
        kind = self.rng.randrange(7 if room > 0 else 5)
        if kind == 0:
            message.null_value = 0
        elif kind == 1:
            message.number_value = self.rng.choice((0.0, -0.0, 1.5, 1e300, 3.0))
            if self.rng.random() < self._spoilt:
                message.number_value = self.rng.choice((float("nan"), float("inf")))
        elif kind == 2:
            message.string_value = self.rng.choice(_TEXTS)
        elif kind == 3:
            message.bool_value = self.rng.random() < 0.5
        elif kind == 5:
            message.struct_value.SetInParent()
            self._struct(message.struct_value, room - 1)
        elif kind == 6:
            message.list_value.SetInParent()
            self._list(message.list_value, room - 1)

    def _struct(self, message: Any, room: int) -> None:
        for _ in range(self.rng.randrange(4)):
            self._value(message.fields[self.rng.choice(_TEXTS)], room - 1)

    def _list(self, message: Any, room: int) -> None:
        for _ in range(self.rng.randrange(4)):
            self._value(message.values.add(), room - 1)

    def _any(self, message: Any, room: int) -> None:
        if self.rng.random() < 0.1:
            return
        inner = self.rng.choice((*TYPES, *_PACKED))()
        self.fill(inner, room - 1)
        message.type_url = self.rng.choice(("type.googleapis.com/", "x/y/", "")) + (
            inner.DESCRIPTOR.full_name
        )
        message.value = inner.SerializeToString(deterministic=True)
        if self.rng.random() < self._spoilt:
            message.type_url = self.rng.choice(("", "/", "x/nope.v1.Nope"))
        if self.rng.random() < self._spoilt:
            message.value = b"\xff\xff"


def _well_known(field: FieldDescriptor) -> type[Message]:
    return message_factory.GetMessageClass(field.message_type)


_PACKED = tuple(
    _well_known(pb.Known.DESCRIPTOR.fields_by_name[name])
    for name in (
        "time", "duration", "mask", "struct", "value", "list", "any", "empty",
        "string_wrapper", "int64_wrapper", "bool_wrapper", "float_wrapper",
    )
)  # fmt: skip

_SPECIAL: dict[str, Callable[[Draw, Any, int], None]] = {
    "google.protobuf.Timestamp": Draw._time,
    "google.protobuf.Duration": Draw._duration,
    "google.protobuf.FieldMask": Draw._mask,
    "google.protobuf.Value": Draw._value,
    "google.protobuf.Struct": Draw._struct,
    "google.protobuf.ListValue": Draw._list,
    "google.protobuf.Any": Draw._any,
}

EDGES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 99, 1.0, 1.5, -0.0, 1e3, 1e39, -1e39, 3.4028235e38, 1e300,
    2**31, 2**31 - 1, -(2**31), -(2**31) - 1, 2**32, 2**63, -(2**63), 2**64 - 1, 2.0**64,
    -9.3e18, 1.8446744073709552e19, 9.007199254740993e15,
    "", " ", "0", "1", "-1", "+1", "01", " 1", "1 ", "\t1", "1\n", "1e3", "1.0", "1.5", "1_000",
    "0x1", "٣", "abc", "nan", "NaN", "inf", "Infinity", "-Infinity", "-inf", "1e39", "-0",
    "2147483648", "-2147483649", "4294967296", "9223372036854775808", "18446744073709551616",
    "1" * 5_000, "true", "false", "null",
    "SEASON_SPRING", "SEASON_FALL", "season_spring", "CLOSED_TWO", "RED", "NOPE", "NULL_VALUE",
    "FIRST",
    "2024-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01",
    "2024-1-1T1:1:1Z", "2024-01-01t00:00:00Z", "2024-01-01T00:00:00z", "2024-01-01 00:00:00Z",
    "2024-01-01T00:00:00.1Z", "2024-01-01T00:00:00.1234567891Z", "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00-01:30", "2024-01-01T00:00:00.5+23:59",
    "2024-01-01T00:00:00+0100", "2024-01-01T00:00:00-00:30", "2024-01-01T00:00:60Z",
    "2024-01-01T24:00:00Z", "2024-01-01T23:59:61Z", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-00:01",
    "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2024-W01-1T00:00:00Z",
    "2024-01-01T00:00:00ZZ", "٢٠٢٤-01-01T00:00:00Z", "2024-01-01T00:00:00+99:99",
    "1s", "-1s", "1.5s", "-0.5s", "-0s", "1.1234567891s", "1.s", ".5s", "s", "1", "1 s", "+1s",
    "315576000000s", "315576000001s", "-315576000000.999999999s", "1e3s", "1_0s", "-1.5s", "--1s",
    "a.b", "aB", "a_b", "a,bC.d", "A", ",", "É", "ßA", "aÉ",
    "YQ==", "YQ", "YQ=", "YWI", "-_-_", "+/+/", "Y", "YQ===", "Y!Q=", "YQ==YQ==", "é",
    [], [None], [1], ["a"], [[]], [{}], [1, "a", None], [True], ["SEASON_SPRING", "NOPE", 1],
    {}, {"a": 1}, {"a": None}, {"1": 1}, {"true": True}, {"True": 1}, {" 1": 1}, {"1": 1, "01": 2},
    {"1.0": 1}, {"1e1": "1"}, {"value": 1}, {"[a.b]": 1}, {"number": 1, "back": {}}, {"paths": []},
    {"seconds": 1}, {"a": "NOPE"}, {"a": {"number": 5}}, {"a": {}},
    {"@type": "x/google.protobuf.Duration", "value": "1s"},
    {"@type": "x/google.protobuf.Value", "value": None},
    {"@type": "x/google.protobuf.StringValue", "value": None},
    {"@type": "x/google.protobuf.StringValue", "value": "a"},
    {"@type": "x/transcode.v1.Shapes", "singleInt32": 1, "nope": 2},
    {"@type": "x/transcode.v1.OldShapes", "needed": 1}, {"@type": "x/transcode.v1.OldShapes"},
    {"@type": "transcode.v1.Names", "value": "v"}, {"@type": "nope"}, {"@type": 5}, {"@type": ""},
    {"@type": "x/google.protobuf.Empty", "value": {}}, {"@type": "x/google.protobuf.Empty"},
)  # fmt: skip
_KEYS = ("nope", "[transcode.v1.added_text]", "[transcode.v1.nope]", "[", "[]", "value", "@type")


class Spoil:
    """Changes JSON in one or a few places, so that it may or may not fit any more."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def spoil(self, plain: Any, message: Descriptor) -> Any:
        """Return `plain`, which is changed on the way."""
        holder = {"": plain}
        for _ in range(self._rng.choice((1, 1, 1, 2, 4))):
            places = list(_places(holder[""], holder, ""))
            within, at = self._rng.choice(places)
            change = self._rng.randrange(10)
            if change < 5 or not isinstance(within, dict) or within is holder:
                within[at] = self._edge()
            elif change < 7:
                self._rename(within, at, message)
            elif change == 7:
                within[self._rng.choice(_KEYS)] = self._edge()
            elif change == 8:
                names = [name for f in message.fields for name in (f.name, f.json_name)]
                within[self._rng.choice(names)] = self._edge()
            else:
                del within[at]
        return holder[""]

    def _edge(self) -> Any:
        return copy.deepcopy(self._rng.choice(EDGES))

    def _rename(self, within: dict[str, Any], at: str, message: Descriptor) -> None:
        other = {f.json_name: f.name for f in message.fields}.get(at)
        if other is None or other == at:
            within[at] = None
            return
        value = within[at]
        if self._rng.random() < 0.7:
            del within[at]
        within[other] = value


def _places(plain: Any, within: Any, at: Any) -> Any:
    yield within, at
    items = ()
    if isinstance(plain, dict):
        items = plain.items()
    elif isinstance(plain, list):
        items = enumerate(plain)
    for key, item in items:
        yield from _places(item, plain, key)
