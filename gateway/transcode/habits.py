"""How one upstream's JSON departs from the protobuf JSON mapping.

A declared mapping instead of code: codec, query and forms are compiled by it. In
answers the standard form is always understood beside the declared one.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import (  # type: ignore[attr-defined]  # newer than the types
    json_enumvalue_options_pb2,
)
from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor, FieldDescriptor

_JSON_OPTION = json_enumvalue_options_pb2.json


class EnumCase(enum.Enum):
    """How the name of an enum value is written; see seawall.policy.v1.FieldPolicy."""

    AS_DECLARED = 1
    LOWER_SNAKE = 2
    LOWER_KEBAB = 3
    LOWER_CAMEL = 4
    PASCAL = 5


class Timestamps(enum.Enum):
    """How a google.protobuf.Timestamp is written; see seawall.policy.v1.FieldPolicy."""

    RFC3339 = 1
    EPOCH_SECONDS = 2
    EPOCH_MILLISECONDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueHabits:
    """How the values of a field are written; see seawall.policy.v1.FieldPolicy."""

    strip_enum_prefix: bool = False
    enum_case: EnumCase = EnumCase.AS_DECLARED
    timestamps: Timestamps = Timestamps.RFC3339
    int64_as_numbers: bool = False


STANDARD_VALUES = ValueHabits()
"""The protobuf JSON mapping."""


def _as_method_says(_field: FieldDescriptor, values: ValueHabits) -> ValueHabits:
    return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """How messages are written.

    Args:
        original_names: fields have the names of the proto, not their JSON names.
        values: of every field whose own option says nothing else.
        of_field: the values of one field, given those of the method.
    """

    original_names: bool = False
    values: ValueHabits = STANDARD_VALUES
    of_field: Callable[[FieldDescriptor, ValueHabits], ValueHabits] = _as_method_says

    def name_of(self, field: FieldDescriptor) -> str:
        """Return the name that `field` has in JSON, queries and forms."""
        name: str = field.name if self.original_names else field.json_name
        return name

    def values_of(self, field: FieldDescriptor) -> ValueHabits:
        """Return how the values of `field` are written."""
        return self.of_field(field, self.values)


STANDARD = Habits()
"""The protobuf JSON mapping."""


def enum_names(kind: EnumDescriptor, habits: ValueHabits) -> dict[int, str]:
    """Return how each number of an enum is written; of aliases the first counts.

    Args:
        kind: the enum. The prefix that can be stripped is its own name in
            UPPER_SNAKE_CASE; a value without it keeps its name.
        habits: of the field.
    """
    prefix = _upper_snake(kind.name) + "_" if habits.strip_enum_prefix else ""
    names: dict[int, str] = {}
    for value in kind.values:
        bare = value.name.removeprefix(prefix)
        # A name cannot begin with a digit, and must not become empty.
        name = _own_json(value) or _in_case(bare or value.name, habits.enum_case)
        names.setdefault(value.number, name)
    return names


def enum_numbers(kind: EnumDescriptor, habits: ValueHabits) -> dict[str, int]:
    """Return which number each name of an enum means, aliases included.

    Names as the habits write them come first, the proto's own stand beside them.
    """
    prefix = _upper_snake(kind.name) + "_" if habits.strip_enum_prefix else ""
    numbers: dict[str, int] = {}
    for value in kind.values:
        bare = value.name.removeprefix(prefix) or value.name
        numbers.setdefault(_in_case(bare, habits.enum_case), value.number)
    for value in kind.values:
        numbers.setdefault(value.name, value.number)
    for value in kind.values:
        if own := _own_json(value):
            numbers.setdefault(own, value.number)
    return numbers


def _own_json(value: EnumValueDescriptor) -> str:
    # The proto may say what a value is in JSON, by the option (pb.enumvalue.json).
    options: Any = value.GetOptions()
    if not options.HasExtension(_JSON_OPTION):
        return ""
    text: str = options.Extensions[_JSON_OPTION].string
    return text


def _upper_snake(name: str) -> str:
    out = []
    for i, letter in enumerate(name):
        before, after = name[i - 1 : i], name[i + 1 : i + 2]
        if letter.isupper() and before and (not before.isupper() or after.islower()):
            out.append("_")
        out.append(letter.upper())
    return "".join(out).replace("__", "_")


def _in_case(name: str, case: EnumCase) -> str:
    words = [word.lower() for word in name.split("_") if word]
    if not words:
        return name
    match case:
        case EnumCase.AS_DECLARED:
            return name
        case EnumCase.LOWER_SNAKE:
            return "_".join(words)
        case EnumCase.LOWER_KEBAB:
            return "-".join(words)
        case EnumCase.LOWER_CAMEL:
            return words[0] + "".join(word.capitalize() for word in words[1:])
        case EnumCase.PASCAL:
            return "".join(word.capitalize() for word in words)
