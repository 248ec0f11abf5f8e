"""Reading fields of a message by path, as the text that a URL carries.

Compiled from descriptors at startup. A scalar that holds its proto3 default is
still a value; only a message on the way that is absent makes a path unset.
"""

import base64
import difflib
import struct
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.transcode.habits import (
    STANDARD,
    STANDARD_VALUES,
    Habits,
    Timestamps,
    ValueHabits,
    enum_names,
)
from gateway.transcode.mapping.times import checked_time
from gateway.transcode.prose import quotable

Text = Callable[[Any], str]

_F = FieldDescriptor
TEXT_MESSAGES = frozenset(
    (
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
        "google.protobuf.FieldMask",
        "google.protobuf.DoubleValue",
        "google.protobuf.FloatValue",
        "google.protobuf.Int64Value",
        "google.protobuf.UInt64Value",
        "google.protobuf.Int32Value",
        "google.protobuf.UInt32Value",
        "google.protobuf.BoolValue",
        "google.protobuf.StringValue",
        "google.protobuf.BytesValue",
    )
)
"""Messages whose JSON form is one scalar, so that a path or query can carry them."""

OWN_JSON = TEXT_MESSAGES | {
    f"google.protobuf.{name}" for name in ("Any", "ListValue", "Struct", "Value")
}
"""Messages whose JSON is not an object of their fields."""


class FieldPathError(ValueError):
    """A field path that the message does not have, or that cannot be used there."""


class FieldValueError(ValueError):
    """A value that has no text, such as a time past the year 9999; `path` is its field's."""

    def __init__(self, path: str, cause: Exception) -> None:
        super().__init__(quotable(str(cause), 200))
        self.path = path


def find_field(message: Descriptor, name: str) -> FieldDescriptor:
    """Return a field by its name or its JSON name.

    Raises:
        FieldPathError: there is none; the closest name is suggested.
    """
    field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
    if field is None:
        field = next((f for f in message.fields if f.json_name == name), None)
    if field is not None:
        return field
    folded = name.replace("_", "").lower()
    for candidate in message.fields:
        if candidate.name.replace("_", "").lower() == folded:
            return candidate
    close = difflib.get_close_matches(name, list(message.fields_by_name), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise FieldPathError(f"{message.full_name} has no field {name!r}{hint}")


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether `field` is a map."""
    return (
        field.message_type is not None
        and field.message_type.has_options
        and field.message_type.GetOptions().map_entry
    )


def is_text_message(field: FieldDescriptor) -> bool:
    """Tell whether `field` is a message that a URL can carry as one value."""
    return field.message_type is not None and field.message_type.full_name in TEXT_MESSAGES


def _message_text(value: Message) -> str:
    plain = json_format.MessageToDict(value)
    return ("false", "true")[plain] if isinstance(plain, bool) else str(plain)


def _enum_text(field: FieldDescriptor, habits: ValueHabits) -> Text:
    kind: Any = field.enum_type
    names = enum_names(kind, habits)
    return lambda number: names.get(number, str(number))


def _epoch_text(unit: Timestamps) -> Text:
    """Return how a Timestamp is written as a number, checked and with what fraction it has."""
    unit_nanos, digits = (10**9, 9) if unit is Timestamps.EPOCH_SECONDS else (10**6, 6)

    def text(value: Any) -> str:
        seconds, nanos = checked_time(value)
        whole, rest = divmod(abs(seconds * 10**9 + nanos), unit_nanos)
        sign = "-" if seconds < 0 else ""
        return f"{sign}{whole}.{rest:0{digits}d}".rstrip("0") if rest else f"{sign}{whole}"

    return text


def _float_text(value: float) -> str:
    # As in a JSON body: NaN and the infinities by name, every other number as it is there.
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _shortest_float(value: float) -> float:
    # The shortest decimal that a 32-bit float reads back as itself, as the JSON mapping prints.
    if value - value == 0:  # finite
        for digits in (6, 7, 8, 9):
            short = float(f"{value:.{digits}g}")
            if struct.pack("f", short) == struct.pack("f", value):
                return short
    return value


def _string_text(value: str | bytes) -> str:
    # proto2 does not check strings; what is no UTF-8 comes as bytes.
    return value if isinstance(value, str) else value.decode()


def text_of(field: FieldDescriptor, habits: ValueHabits = STANDARD_VALUES) -> Text:
    """Return how one value of `field` is written in a URL (protobuf JSON mapping).

    Args:
        field: of a message.
        habits: what is written otherwise.

    Raises:
        FieldPathError: it is a message that has no text form.
    """
    if field.message_type is not None:
        if (
            habits.timestamps is not Timestamps.RFC3339
            and field.message_type.full_name == "google.protobuf.Timestamp"
        ):
            return _epoch_text(habits.timestamps)
        if is_text_message(field):
            return _message_text
        raise FieldPathError(
            f"{field.full_name} is a message ({field.message_type.full_name}); "
            "a URL carries only scalars"
        )
    if field.type == _F.TYPE_ENUM:
        return _enum_text(field, habits)
    if field.type == _F.TYPE_BOOL:
        return lambda value: "true" if value else "false"
    if field.type == _F.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode("ascii")
    if field.type == _F.TYPE_DOUBLE:
        return _float_text
    if field.type == _F.TYPE_FLOAT:
        return lambda value: _float_text(_shortest_float(value))
    return _string_text if field.type == _F.TYPE_STRING else str


class FieldReader:
    """Reads one scalar at the end of a dotted path.

    Args:
        message: where the path begins.
        path: "order.order_id", by field names or JSON names.
        habits: how names and values are written.

    Raises:
        FieldPathError: a part is missing, repeated, a map, or no scalar.
    """

    __slots__ = ("_last", "_parents", "_presence", "_text", "field", "json_path", "path")

    def __init__(self, message: Descriptor, path: str, habits: Habits = STANDARD) -> None:
        parents: list[str] = []
        json_path: list[str] = []
        *heads, last = path.split(".")
        for head in heads:
            field = find_field(message, head)
            if field.is_repeated or field.message_type is None:
                kind = "repeated" if field.is_repeated else "a scalar"
                raise FieldPathError(f"{field.full_name} is {kind}, so {path!r} leads nowhere")
            parents.append(field.name)
            json_path.append(habits.name_of(field))
            message = field.message_type
        field = find_field(message, last)
        if field.is_repeated:
            kind = "a map" if is_map(field) else "repeated"
            raise FieldPathError(f"{field.full_name} is {kind}; a path takes a single value")
        self._text = text_of(field, habits.values_of(field))
        self._parents = tuple(parents)
        self._last = field.name
        self._presence = field.message_type is not None
        self.field = field
        """The field at the end of the path."""
        self.path = ".".join([*parents, field.name])
        self.json_path = (*json_path, habits.name_of(field))

    def is_set(self, message: Any) -> bool:
        """Tell whether the field is there: set, or without presence not its default."""
        for parent in self._parents:
            if not message.HasField(parent):
                return False
            message = getattr(message, parent)
        if self.field.has_presence:
            there: bool = message.HasField(self._last)
            return there
        return bool(getattr(message, self._last))

    def __call__(self, message: Any) -> str | None:
        """Return the value as text; None where a message on the way is absent.

        Raises:
            FieldValueError: the value has no text.
        """
        for parent in self._parents:
            if not message.HasField(parent):
                return None
            message = getattr(message, parent)
        if self._presence and not message.HasField(self._last):
            return None
        try:
            return self._text(getattr(message, self._last))
        except (ValueError, json_format.Error) as error:
            raise FieldValueError(self.path, error) from None


class QueryPlan:
    """Prints the fields of one message type as query parameters.

    Built once a message type; a recursive type refers to its own plan.
    """

    __slots__ = ("fields", "refused")

    def __init__(self) -> None:
        self.fields: dict[int, tuple[str, bool, Text | None, QueryPlan | None]] = {}
        """By field number: name in a query, repeated, text of a scalar, plan of a message.

        By number, because an extension may have the name of a field.
        """
        self.refused: list[str] = []
        """What no query can carry, a sentence each; nested messages aside."""

    def pairs(self, message: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Yield (key, text) for every set field; nested ones have dotted keys.

        Raises:
            FieldValueError: a value has no text.
        """
        for field, value in message.ListFields():
            known = self.fields.get(field.number)
            if known is None:
                continue
            json_name, repeated, text, plan = known
            if plan is not None:
                yield from plan.pairs(value, f"{prefix}{json_name}.")
            elif text is not None:
                key = prefix + json_name
                for item in value if repeated else (value,):
                    try:
                        shown = text(item)
                    except (ValueError, json_format.Error) as error:
                        raise FieldValueError(key, error) from None
                    yield key, shown

    def refusals(self) -> list[str]:
        """Return what no query can carry, here and in every message that can be reached."""
        found: dict[str, None] = {}
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            plan = waiting.pop()
            if id(plan) in seen:
                continue
            seen.add(id(plan))
            found |= dict.fromkeys(plan.refused)
            waiting += [nested for *_, nested in plan.fields.values() if nested is not None]
        return list(found)


Plans = dict[tuple[str, frozenset[str], Habits], QueryPlan]


def plan_query(
    message: Descriptor, skip: frozenset[str], plans: Plans, habits: Habits = STANDARD
) -> QueryPlan:
    """Return the plan for `message`, without the fields in `skip`.

    Args:
        message: the request, or a message in it.
        skip: dotted paths from `message` that travel elsewhere (path, body).
        plans: plans made so far, shared between methods; filled on the way.
        habits: how names and values are written.

    Returns:
        A plan that can be used if it has no `refusals()`.
    """
    key = (message.full_name, skip, habits)
    if key in plans:
        return plans[key]
    plan = plans[key] = QueryPlan()
    for field in message.fields:
        if field.name in skip:
            continue
        if field.message_type is None or is_text_message(field):
            text = text_of(field, habits.values_of(field))
            plan.fields[field.number] = (habits.name_of(field), field.is_repeated, text, None)
        elif field.is_repeated:
            kind = "a map" if is_map(field) else "a repeated message"
            plan.refused.append(f"{field.full_name} is {kind}, which a query cannot carry")
        else:
            head = field.name + "."
            inner = frozenset(s.removeprefix(head) for s in skip if s.startswith(head))
            nested = plan_query(field.message_type, inner, plans, habits)
            plan.fields[field.number] = (habits.name_of(field), False, None, nested)
    return plan
