"""Readers of JSON, generated for each message type.

A reader takes what orjson read and returns keyword arguments for the message class,
nested messages as nested dicts: one call of the class then builds the whole tree in
C, in half of the time that setting fields takes.

Rules:
1. A reader looks its fields up by one name each. Where an object has other keys, or
   few of many, it goes by the keys (gateway.transcode.mapping.lookup).
2. Null is an absent field, except for Value and NullValue.
3. A reader accepts only what it is sure of. All else raises, here or in the message
   class (types of strings, ranges of integers), and the reference decides.
4. In a type that can be recursive, readers count the depth; elsewhere it is known
   when the code is written. Near the cap the reference decides.
"""

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.transcode.habits import Habits, ValueHabits, enum_numbers
from gateway.transcode.mapping import free, lookup, scalars, times
from gateway.transcode.mapping.kinds import (
    Heights,
    Kind,
    Shape,
    keeps_null,
    key_of,
    kind_of,
    kind_of_message,
    shape_of,
    value_of,
)
from gateway.transcode.mapping.required import has_required, missing
from gateway.transcode.mapping.scalars import MappingError
from gateway.transcode.mapping.source import Source

_GIVEN = {
    "MISSING": object(),
    "UnusualError": scalars.UnusualError,
    "to_int": scalars.to_int,
    "to_double": scalars.to_double,
    "to_float": scalars.to_float,
    "to_bytes": scalars.to_bytes,
    "to_text": scalars.to_text,
    "to_bool": scalars.to_bool,
    "BOOL_KEYS": scalars.BOOL_KEYS,
    "read_duration": times.read_duration,
    "read_mask": times.read_mask,
}
_FUNCTIONS = {
    Kind.STRING: "to_text",
    Kind.BYTES: "to_bytes",
    Kind.BOOL: "to_bool",
    Kind.FLOAT: "to_float",
    Kind.DURATION: "read_duration",
    Kind.MASK: "read_mask",
}
_KEPT_TYPE = {Kind.INT: "int", Kind.LONG: "int", Kind.DOUBLE: "float"}
"""Values of this Python type stay as they are."""

_MOST_URLS = 1024
_WIDE = 12
"""Fields from which on objects may have so few keys that it pays to go by them."""
_FEW = 3
"""A key costs as much as looking for so many fields."""

Make = Callable[[Any], Any]


class Readers:
    """The readers of one pool and one set of habits.

    Args:
        pool: where the types of google.protobuf.Any are looked up.
        max_depth: messages above each other.
        habits: how the JSON is written.
    """

    def __init__(self, pool: DescriptorPool, max_depth: int, habits: Habits) -> None:
        self._pool = pool
        self._max_depth = max_depth
        self._habits = habits
        self._heights = Heights()
        self._source = Source(_GIVEN)
        self._free = dict(
            zip((Kind.STRUCT, Kind.VALUE, Kind.LIST), free.readers(max_depth), strict=True)
        )
        self._any = self._source.constant("read_any", self._read_any)
        self._packed: dict[str, Callable[[Any, int], bytes]] = {}

    def warm(self) -> None:
        """Compile all that has been asked for, and what it needs."""
        self._source.warm()

    def reader(self, message: Descriptor) -> Make:
        """Return how a JSON value becomes keyword arguments of a message, or the message.

        Any exception of it but MappingError means that the reference has to decide.
        """

        def write(name: str) -> Iterator[str]:
            yield f"def {name}(x):"
            if self._is_deep(message):
                yield "    d = 1"
            yield f"    return {self._item_of_message(message, self._habits.values)}"

        return self._source.get(self._source.function("root", message, write))

    def _is_deep(self, message: Descriptor) -> bool:
        return self._heights.of(message) > self._max_depth

    # One value.

    def _item(self, field: FieldDescriptor, habits: ValueHabits) -> str:
        """Return an expression of `x` for one value of `field` that is not absent."""
        if field.message_type is not None:
            return self._item_of_message(field.message_type, habits)
        kind = kind_of(field)
        if kind in (Kind.ENUM, Kind.NULL):
            enum: Any = field.enum_type
            known = self._enum(enum, habits)
            odd = self._source.shared("odd", enum.is_closed, scalars.odd_enum(enum.is_closed))
            return f"({known}[x] if x in {known} else {odd}(x))"
        if kind is Kind.INT:
            return "(x if x.__class__ is int else to_int(x))"
        if kind is Kind.LONG:
            return "(int(x) if x.__class__ is str and x.isdecimal() else to_int(x))"
        if kind is Kind.DOUBLE:
            return "(x if x.__class__ is float else to_double(x))"
        return f"{_FUNCTIONS[kind]}(x)"

    def _item_of_message(self, message: Descriptor, habits: ValueHabits) -> str:
        kind = kind_of_message(message)
        if kind is Kind.MESSAGE:
            name = self._source.function("read", message, lambda name: self._write(message, name))
            return f"{name}(x, d)" if self._is_deep(message) else f"{name}(x)"
        if kind is Kind.WRAPPER:
            return f'{{"value": {self._item(message.fields_by_name["value"], habits)}}}'
        if kind is Kind.TIMESTAMP:
            read = times.READ_TIME[habits.timestamps]
            return f"{self._source.shared('read_time', habits.timestamps, read)}(x)"
        if kind is Kind.ANY:
            return f"{self._any}(x, d)"
        if kind in self._free:
            make = self._make_free(message, kind)
            return f"{self._source.shared('make', message, make)}(x, d)"
        return f"{_FUNCTIONS[kind]}(x)"

    def _enum(self, kind: EnumDescriptor, habits: ValueHabits) -> str:
        known: dict[Any, int] = {number: number for number in kind.values_by_number}
        known |= enum_numbers(kind, habits)
        return self._source.shared("ENUM", (kind, habits), known)

    def _make_free(self, message: Descriptor, kind: Kind) -> Callable[[Any, int], Any]:
        read, max_depth = self._free[kind], self._max_depth
        from_wire = message_factory.GetMessageClass(message).FromString

        def make(value: Any, depth: int) -> Any:
            if depth > max_depth:
                raise scalars.UnusualError
            return from_wire(read(value, depth))

        return make

    # One message.

    def _write(self, message: Descriptor, name: str) -> Iterator[str]:
        deep = self._is_deep(message)
        yield f"def {name}(js, depth):" if deep else f"def {name}(js):"
        names = self._names(message)
        if names is None:
            yield "    raise UnusualError"
            return
        finite = [h for field in message.fields if (h := self._height(field)) <= self._max_depth]
        if deep:
            yield f"    if depth + {max(finite, default=0)} > {self._max_depth}:"
            yield "        raise UnusualError"
            yield "    d = depth + 1"
        if len(names) >= _WIDE:
            yield from self._by_keys(message)
        yield from self._look_up(message, names)
        yield from lookup.one_of_each(message)
        for i, field in enumerate(message.fields):
            for line in self._field(field, f"v{i}"):
                yield f"    {line}"
        yield "    return {"
        for i, field in enumerate(message.fields):
            yield f"        {field.name!r}: v{i},"
        yield "    }"

    def _by_keys(self, message: Descriptor) -> Iterator[str]:
        """Yield the lines for an object that has few of many fields."""
        readers = {field.number: self._value_reader(field) for field in message.fields}
        by_keys = self._source.constant("by_keys", lookup.by_keys(message, readers))
        yield f"    if js.__class__ is dict and len(js) * {_FEW} < {len(readers)}:"
        yield f"        return {by_keys}(js, {'d' if self._is_deep(message) else 0})"

    def _value_reader(self, field: FieldDescriptor) -> Callable[[Any, int], Any]:
        def write(name: str) -> Iterator[str]:
            yield f"def {name}(v, d):"
            for line in self._field(field, "v"):
                yield f"    {line}"
            yield "    return v"

        return self._source.get(self._source.function("value", field, write))

    def _look_up(self, message: Descriptor, names: dict[int, str]) -> Iterator[str]:
        """Yield the lines that put the JSON of each field into a variable."""
        known = self._source.constant("KNOWN", frozenset(names.values()))
        tidy = self._source.constant("tidy", lookup.tidy(message, names))
        # As many keys as fields are mostly all fields and nothing else.
        yield f"    full = js.__class__ is dict and len(js) == {len(names)}"
        yield "    if full:"
        yield "        try:"
        yield "            pass"
        for i, field in enumerate(message.fields):
            yield f"            v{i} = js[{names[field.number]!r}]"
        yield "        except KeyError:"
        yield "            full = False"
        yield "    if not full:"
        yield f"        if js.__class__ is not dict or not {known}.issuperset(js):"
        yield f"            js = {tidy}(js)"
        yield "        get = js.get"
        for i, field in enumerate(message.fields):
            default = ", MISSING" if keeps_null(field) else ""
            yield f"        v{i} = get({names[field.number]!r}{default})"

    def _height(self, field: FieldDescriptor) -> float:
        inner: Any = value_of(field).message_type
        return 0 if inner is None else self._heights.of(inner)

    def _names(self, message: Descriptor) -> dict[int, str] | None:
        """Return by which name each field is looked up; None where names are ambiguous."""
        meant = {field.name: field.number for field in message.fields}
        meant |= {field.json_name: field.number for field in message.fields}
        names: dict[int, str] = {}
        for field in message.fields:
            usual = self._habits.name_of(field)
            name = usual if meant[usual] == field.number else field.json_name
            if meant[name] != field.number:
                return None
            names[field.number] = name
        return names

    def _field(self, field: FieldDescriptor, v: str) -> Iterator[str]:
        """Yield the lines that make keyword arguments of the JSON in variable `v`."""
        habits = self._habits.values_of(field)
        shape = shape_of(field)
        if shape is Shape.MAP:
            yield from self._map(field, habits, v)
        elif shape is Shape.LIST:
            yield from self._list(field, habits, v)
        else:
            yield from self._one(field, habits, v)

    def _one(self, field: FieldDescriptor, habits: ValueHabits, v: str) -> Iterator[str]:
        kind = kind_of(field)
        if kind is Kind.STRING:
            return  # the message class takes text and nothing else
        if kind is Kind.BOOL:
            yield f"if {v} is not None and {v} is not True and {v} is not False:"
            yield "    raise UnusualError"
            return
        if kind in (Kind.VALUE, Kind.NULL):
            yield f"if {v} is MISSING:"
            yield f"    {v} = None"
            if kind is Kind.NULL:
                yield f"elif {v} is None:"
                yield f"    {v} = 0"
            yield "else:"
            yield f"    x = {v}"
            yield f"    {v} = {self._item(field, habits)}"
            return
        kept = _KEPT_TYPE.get(kind)
        yield (
            f"if {v}.__class__ is not {kept} and {v} is not None:"
            if kept
            else (f"if {v} is not None:")
        )
        yield f"    x = {v}"
        yield f"    {v} = {self._item(field, habits)}"

    def _list(self, field: FieldDescriptor, habits: ValueHabits, v: str) -> Iterator[str]:
        kind = kind_of(field)
        if keeps_null(field):
            yield f"if {v} is MISSING:"
            yield f"    {v} = None"
            yield "else:"
        else:
            yield f"if {v} is not None:"
        yield f"    if {v}.__class__ is not list:"
        yield "        raise UnusualError"
        if kind is Kind.STRING:
            return
        yield f"    {v} = [{self._item(field, habits)} for x in {v}]"
        if kind in (Kind.ENUM, Kind.NULL):
            yield f"    if None in {v}:"  # names that are not known
            yield f"        {v} = [x for x in {v} if x is not None]"

    def _map(self, field: FieldDescriptor, habits: ValueHabits, v: str) -> Iterator[str]:
        inner = value_of(field)
        key_kind, kind = kind_of(key_of(field)), kind_of(inner)
        yield f"if {v} is not None:"
        yield f"    if {v}.__class__ is not dict:"
        yield "        raise UnusualError"
        if key_kind is kind is Kind.STRING:
            return
        key = {Kind.STRING: "k", Kind.BOOL: "BOOL_KEYS[k]"}.get(key_kind, "to_int(k)")
        yield f"    js = {v}"
        yield f"    {v} = {{{key}: {self._item(inner, habits)} for k, x in js.items()}}"
        if key_kind is not Kind.STRING:
            yield f"    if len({v}) != len(js):"  # "1" and "01"
            yield "        raise UnusualError"
        if kind in (Kind.ENUM, Kind.NULL):
            yield f"    if None in {v}.values():"
            yield f"        {v} = {{k: x for k, x in {v}.items() if x is not None}}"

    # Any.

    def _read_any(self, value: Any, depth: int) -> dict[str, Any]:
        if value.__class__ is not dict or depth > self._max_depth:
            raise scalars.UnusualError
        if not value:
            return {}
        url = value["@type"]
        pack = self._packed.get(url)
        if pack is None:
            pack = self._packer(self._pool.FindMessageTypeByName(url.split("/")[-1]))
            if len(self._packed) < _MOST_URLS:  # it comes from outside
                self._packed[url] = pack
        return {"type_url": url, "value": pack(value, depth)}

    def _packer(self, message: Descriptor) -> Callable[[Any, int], bytes]:
        inner = kind_of_message(message)
        plain = inner is Kind.MESSAGE
        new = message_factory.GetMessageClass(message)

        def write(name: str) -> Iterator[str]:
            yield f"def {name}(x, d):"
            if self._heights.of(message) <= self._max_depth:
                yield f"    if d + {self._heights.of(message)} > {self._max_depth}:"
                yield "        raise UnusualError"
            yield f"    return {self._item_of_message(message, self._habits.values)}"

        read = self._source.get(self._source.function("packed", message, write))

        required = has_required(message)

        def pack(value: Any, depth: int) -> bytes:
            made = read(value, depth) if plain else read(value["value"], depth + 1)
            built = build(new, made)
            if required and (path := missing(built)) is not None:
                raise MappingError(f"the required field {path} of {message.full_name} is missing")
            packed: bytes = built.SerializeToString()
            return packed

        return pack


def build(new: Callable[..., Any], made: Any) -> Any:
    """Return the message that a reader's result stands for."""
    return new(**made) if made.__class__ is dict else made
