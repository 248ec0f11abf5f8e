"""Printers of messages, generated for each message type.

A printer takes a message and returns what orjson dumps. It reads attributes one by
one, which beats asking for the set fields as long as there are not many; for wide
messages, and for those with extensions, it asks.

Fields come in the order of their numbers. What is left out (it travels in the URL)
is not even read.
"""

from collections.abc import Callable, Iterable, Iterator
from keyword import iskeyword
from math import copysign
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.transcode.habits import Habits, ValueHabits, enum_names
from gateway.transcode.mapping import free, scalars, times
from gateway.transcode.mapping.kinds import (
    Kind,
    Shape,
    checks_strings,
    key_of,
    kind_of,
    kind_of_message,
    shape_of,
    value_of,
)
from gateway.transcode.mapping.source import Source

Skip = frozenset[tuple[str, ...]]
"""JSON paths that are left out."""
NOTHING: Skip = frozenset()

_WIDE = 32
"""Fields from which on it is cheaper to ask for those that are set."""
_MOST_TYPES = 1024
_GIVEN = {
    "copysign": copysign,
    "base64": scalars.no_text,
    "odd_number": scalars.odd_number,
    "shortest": scalars.shortest,
    "duration_text": times.duration_text,
    "mask_text": times.mask_text,
    "plain_struct": free.plain_struct,
    "plain_value": free.plain_value,
    "plain_list": free.plain_list,
}
_FUNCTIONS = {
    Kind.BYTES: "base64",
    Kind.FLOAT: "shortest",
    Kind.DURATION: "duration_text",
    Kind.MASK: "mask_text",
    Kind.STRUCT: "plain_struct",
    Kind.VALUE: "plain_value",
    Kind.LIST: "plain_list",
}
_NULLABLE = (Kind.TIMESTAMP, Kind.DURATION, Kind.MASK, Kind.WRAPPER)
"""Messages that are null in a body of their own when they are unset, and not their default."""

Print = Callable[[Any], Any]


class Printers:
    """The printers of one pool and one set of habits.

    Args:
        pool: where the types of google.protobuf.Any are looked up.
        habits: how the JSON is written.
    """

    def __init__(self, pool: DescriptorPool, habits: Habits) -> None:
        self._pool = pool
        self._habits = habits
        self._source = Source(_GIVEN)
        self._any = self._source.constant("print_any", self._print_any)
        self._packed: dict[str, tuple[Any, Print, bool]] = {}

    def warm(self) -> None:
        """Compile all that has been asked for, and what it needs."""
        self._source.warm()

    def printer(self, message: Descriptor, skip: Skip = NOTHING) -> Print:
        """Return how a message becomes what orjson dumps; exceptions mean it has no JSON."""

        def write(name: str) -> Iterator[str]:
            yield f"def {name}(x):"
            yield f"    return {self._item_of_message(message, self._habits.values, skip)}"

        return self._source.get(self._source.function("root", (message, skip), write))

    def field_printer(self, field: FieldDescriptor, skip: Skip = NOTHING) -> Print:
        """Return how one field of a message becomes what orjson dumps; unset, its empty value.

        The empty value of what can be absent is null, of any other message `{}`.
        """

        def write(name: str) -> Iterator[str]:
            yield f"def {name}(m):"
            nullable = kind_of(field) in _NULLABLE if field.message_type else field.has_presence
            if nullable and shape_of(field) is Shape.ONE:
                yield f"    if not m.HasField({field.name!r}):"
                yield "        return None"
            yield f"    x = {_attribute(field)}"
            yield f"    return {self._value(field, skip)}"

        return self._source.get(self._source.function("field", (field, skip), write))

    # One value.

    def _value(self, field: FieldDescriptor, skip: Skip = NOTHING) -> str:
        """Return an expression of `x` for all that is in `field`."""
        habits = self._habits.values_of(field)
        shape = shape_of(field)
        item = self._item(value_of(field), habits, skip if shape is Shape.ONE else NOTHING)
        if shape is Shape.ONE:
            return item
        if shape is Shape.LIST:
            return "[*x]" if item == "x" else f"[{item} for x in x]"
        key = key_of(field)
        text = {Kind.BOOL: '("true" if k else "false")', Kind.STRING: self._text(key, "k")}
        if item == "x":
            return f"{{{text.get(kind_of(key), 'str(k)')}: x[k] for k in x}}"
        inner = f"{{{text.get(kind_of(key), 'str(k)')}: {item} for k, x in "
        return inner + "[(k, x[k]) for k in x]}"

    def _item(self, field: FieldDescriptor, habits: ValueHabits, skip: Skip = NOTHING) -> str:
        """Return an expression of `x` for one value of `field`."""
        if field.message_type is not None:
            return self._item_of_message(field.message_type, habits, skip)
        kind = kind_of(field)
        if kind is Kind.NULL:
            return "None"
        if kind is Kind.ENUM:
            enum: Any = field.enum_type
            names = enum_names(enum, habits)
            key = (enum, habits)
            if enum.is_closed:
                return f"{self._source.shared('named', key, scalars.named(names))}(x)"
            return f"{self._source.shared('name', key, names.get)}(x, x)"
        if kind is Kind.LONG and not habits.int64_as_numbers:
            return "str(x)"
        if kind is Kind.DOUBLE:
            return "(x if x - x == 0 else odd_number(x))"
        if kind is Kind.STRING:
            return self._text(field, "x")
        return f"{_FUNCTIONS[kind]}(x)" if kind in _FUNCTIONS else "x"

    @staticmethod
    def _text(field: Any, variable: str) -> str:
        # What is no UTF-8 comes as bytes.
        return variable if checks_strings(field.file) else f"str({variable})"

    def _item_of_message(self, message: Descriptor, habits: ValueHabits, skip: Skip) -> str:
        kind = kind_of_message(message)
        if kind is Kind.MESSAGE:
            name = self._source.function(
                "print", (message, skip), lambda name: self._write(message, skip, name)
            )
            return f"{name}(x)"
        if kind is Kind.WRAPPER:
            inner = self._item(message.fields_by_name["value"], habits)
            if inner == "x":
                return "x.value"
            name = self._source.function(
                "wrapped",
                (message, habits),
                lambda name: (f"def {name}(x):", f"    return {inner}"),
            )
            return f"{name}(x.value)"
        if kind is Kind.TIMESTAMP:
            text = times.TIME_TEXT[habits.timestamps]
            return f"{self._source.shared('time', habits.timestamps, text)}(x)"
        return f"{self._any}(x)" if kind is Kind.ANY else f"{_FUNCTIONS[kind]}(x)"

    # One message.

    def _write(self, message: Descriptor, skip: Skip, name: str) -> Iterator[str]:
        fields = sorted(message.fields, key=lambda field: field.number)
        if message.is_extendable or len(fields) > _WIDE:
            return self._by_listing(message, skip, name)
        return self._by_attributes(fields, skip, name)

    def _by_attributes(
        self, fields: Iterable[FieldDescriptor], skip: Skip, name: str
    ) -> Iterator[str]:
        yield f"def {name}(m):"
        yield "    out = {}"
        asked: dict[str, str] = {}
        for field in fields:
            inner = _below(skip, field)
            if inner is None:
                continue
            put = f"out[{self._habits.name_of(field)!r}] = {self._value(field, inner)}"
            oneof = field.containing_oneof
            if oneof is not None and len(oneof.fields) > 1:
                if oneof.name not in asked:
                    asked[oneof.name] = f"w{len(asked)}"
                    yield f"    {asked[oneof.name]} = m.WhichOneof({oneof.name!r})"
                yield f"    if {asked[oneof.name]} == {field.name!r}:"
                yield f"        x = {_attribute(field)}"
            elif field.has_presence:
                yield f"    if m.HasField({field.name!r}):"
                yield f"        x = {_attribute(field)}"
            else:
                yield f"    x = {_attribute(field)}"
                signed = shape_of(field) is Shape.ONE and kind_of(field) in (
                    Kind.DOUBLE,
                    Kind.FLOAT,
                )
                yield "    if x or copysign(1.0, x) < 0:" if signed else "    if x:"  # -0.0 is set
            yield f"        {put}"
        yield "    return out"

    def _by_listing(self, message: Descriptor, skip: Skip, name: str) -> Iterator[str]:
        known: dict[int, tuple[str, Print] | None] = {}

        def find(field: FieldDescriptor) -> tuple[str, Print] | None:
            if field.number not in known:
                known[field.number] = self._named_value(field, skip)
            return known[field.number]

        fields = self._source.constant("fields", known)
        found = self._source.constant("find", find)
        for field in message.fields:
            find(field)
        yield f"def {name}(m):"
        yield "    out = {}"
        yield "    for field, x in m.ListFields():"
        yield "        number = field.number"
        yield f"        known = {fields}[number] if number in {fields} else {found}(field)"
        yield "        if known is not None:"
        yield "            out[known[0]] = known[1](x)"
        yield "    return out"

    def _named_value(self, field: FieldDescriptor, skip: Skip) -> tuple[str, Print] | None:
        inner = NOTHING if field.is_extension else _below(skip, field)
        if inner is None:
            return None
        name = f"[{field.full_name}]" if field.is_extension else self._habits.name_of(field)
        function = self._source.function(
            "value",
            (field, inner),
            lambda name: (f"def {name}(x):", f"    return {self._value(field, inner)}"),
        )
        return name, self._source.get(function)

    # Any.

    def _print_any(self, message: Any) -> dict[str, Any]:
        url = message.type_url
        if not url and not message.value:
            return {}
        known = self._packed.get(url)
        if known is None:
            try:
                inner = self._pool.FindMessageTypeByName(url.split("/")[-1])
            except KeyError:
                raise ValueError(f"the type of {url!r} is not known") from None
            plain = kind_of_message(inner) is Kind.MESSAGE
            known = message_factory.GetMessageClass(inner), self.printer(inner), plain
            if len(self._packed) < _MOST_TYPES:  # it comes from outside
                self._packed[url] = known
        new, print_inner, plain = known
        held = print_inner(new.FromString(message.value))
        return {"@type": url, **held} if plain else {"@type": url, "value": held}


def _attribute(field: FieldDescriptor) -> str:
    name: str = field.name
    return f"getattr(m, {name!r})" if iskeyword(name) else f"m.{name}"


def _below(skip: Skip, field: FieldDescriptor) -> Skip | None:
    """Return the paths below `field` that are left out; None where it is left out itself."""
    if not skip:
        return NOTHING
    below = [path[1:] for path in skip if path[0] in (field.json_name, field.name)]
    return None if () in below else frozenset(below)
