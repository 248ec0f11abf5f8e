"""What decides where the generated code is not sure: google.protobuf.json_format.

Slow, exact, and the source of the sentences that callers read. It knows no habits,
so JSON is put into the standard form before; and it takes text and arrays for empty
messages, so those are refused before.
"""

from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.transcode.habits import STANDARD, Habits, Timestamps, enum_numbers
from gateway.transcode.mapping import times
from gateway.transcode.mapping.kinds import (
    Kind,
    Shape,
    kind_of,
    kind_of_message,
    shape_of,
    value_of,
)
from gateway.transcode.mapping.required import has_required, missing
from gateway.transcode.mapping.scalars import MappingError, UnusualError

_MOST_SEARCHED = 16 * 1024
"""Bytes of a message in which the path of what has no JSON is looked for, level by level."""


class Reference:
    """Parses by json_format, ignoring unknown fields.

    Args:
        pool: where the types of google.protobuf.Any are looked up.
        max_depth: messages above each other.
        habits: how the JSON is written.
    """

    def __init__(self, pool: DescriptorPool, max_depth: int, habits: Habits) -> None:
        self._pool = pool
        self._max_depth = max_depth
        self._habits = habits
        self._plans: dict[Descriptor, dict[str, _Plan]] = {}

    def parse(self, plain: Any, into: Message) -> None:
        """Fill an empty message from what orjson read.

        Raises:
            MappingError: it does not fit.
        """
        try:
            message: Any = into.DESCRIPTOR
            if kind_of_message(message) is Kind.MESSAGE:
                plain = self._standard(plain, message, "", 1)
            guard = _Guard(self._pool)
            try:
                self._parse(plain, into, guard)
            except json_format.ParseError:
                if not guard.held:
                    raise
                self._check_required(plain)
                into.Clear()
                self._parse(plain, into, self._pool)
        except MappingError:
            raise
        except RecursionError as error:
            raise MappingError(f"the JSON is nested deeper than {self._max_depth}") from error
        except Exception as error:  # a malformed Any raises KeyError, AttributeError, …
            raise MappingError(str(error)) from error

    def _parse(self, plain: Any, into: Message, pool: Any) -> None:
        json_format.ParseDict(
            plain,
            into,
            ignore_unknown_fields=True,
            descriptor_pool=pool,
            max_recursion_depth=self._max_depth,
        )

    def _check_required(self, plain: Any) -> None:
        """Refuse what json_format would serialize into an Any without a required field."""
        if isinstance(plain, list):
            for item in plain:
                self._check_required(item)
        elif isinstance(plain, dict):
            for item in plain.values():
                self._check_required(item)
            url = plain.get("@type")
            if isinstance(url, str) and (kind := _Guard(self._pool).required(url)) is not None:
                held = message_factory.GetMessageClass(kind)()
                self._parse({k: v for k, v in plain.items() if k != "@type"}, held, self._pool)
                if (path := missing(held)) is not None:
                    raise MappingError(f"the required field {path} of {kind.full_name} is missing")

    def why_not(self, message: Message, why: Exception) -> MappingError:
        """Return the error for a message that could not be printed."""
        try:
            json_format.MessageToDict(message, descriptor_pool=self._pool)
        except RecursionError:
            return MappingError("it is nested too deep")
        except Exception as error:  # an Any raises TypeError, DecodeError, …
            path = self._where(message) if message.ByteSize() <= _MOST_SEARCHED else ""
            return MappingError(f"{str(error).rstrip('.')} at {path}" if path else str(error))
        return MappingError(
            "it is nested too deep" if isinstance(why, RecursionError) else str(why)
        )

    def _prints(self, message: Message) -> bool:
        try:
            json_format.MessageToDict(message, descriptor_pool=self._pool)
        except Exception:
            return False
        return True

    def _where(self, message: Any) -> str:
        """Return the path of the field that cannot be printed."""
        if kind_of_message(message.DESCRIPTOR) is not Kind.MESSAGE:
            return ""
        for field, value in message.ListFields():
            if value_of(field).message_type is None:
                continue
            shape = shape_of(field)
            items = {"": value}
            if shape is Shape.MAP:
                items = {f".{key}": value[key] for key in value}
            elif shape is Shape.LIST:
                items = {f"[{index}]": item for index, item in enumerate(value)}
            for at, item in items.items():
                if not self._prints(item):
                    below = self._where(item)
                    here = f"{field.json_name}{at}"
                    return f"{here}.{below}" if below else here
        return ""

    def _standard(self, plain: Any, message: Descriptor, path: str, depth: int) -> Any:
        """Return `plain` without habits, having checked that objects are objects."""
        if not isinstance(plain, dict):
            where = f" at {path}" if path else ""
            raise MappingError(f"expected a JSON object, found {_kind(plain)}{where}")
        if depth > self._max_depth:
            raise MappingError(f"the JSON is nested deeper than {self._max_depth}")
        plans = self._plans_of(message)
        standard: dict[str, Any] = {}
        for name, value in plain.items():
            plan = plans.get(name)
            if plan is None and message.is_extendable and name[:1] == "[":
                plan = self._plan_of_extension(name[1:-1])
            if plan is not None and value is not None:
                below = f"{path}.{name}" if path else name
                value = self._values(value, plan, below, depth + 1)
            standard[name] = value
        return standard

    def _plan_of_extension(self, name: str) -> "_Plan | None":
        try:
            return _plan(self._pool.FindExtensionByName(name), self._habits)
        except KeyError:
            return None

    def _any(self, value: Any, path: str, depth: int) -> Any:
        url = value.get("@type") if isinstance(value, dict) else None
        if not isinstance(url, str):
            return value
        try:
            held = self._pool.FindMessageTypeByName(url.split("/")[-1])
        except KeyError:
            return value
        kind = kind_of_message(held)
        if kind is Kind.MESSAGE:
            plain = {key: item for key, item in value.items() if key != "@type"}
            return {"@type": url, **self._standard(plain, held, path, depth)}
        timestamps = self._habits.values.timestamps
        inner = value.get("value")
        if kind is Kind.ANY:
            return value | {"value": self._any(inner, path, depth + 1)}
        if kind is Kind.TIMESTAMP and timestamps is not Timestamps.RFC3339:
            return value | {"value": _standard_time(inner, timestamps, path)}
        return value

    def _plans_of(self, message: Descriptor) -> "dict[str, _Plan]":
        known = self._plans.get(message)
        if known is None:
            known = self._plans[message] = {}
            for field in message.fields:
                plan = _plan(field, self._habits)
                if plan is not None:
                    known[field.name] = plan
            for field in message.fields:  # where two fields share a name, this one counts
                plan = _plan(field, self._habits)
                if plan is not None:
                    known[field.json_name] = plan
                else:
                    known.pop(field.json_name, None)
        return known

    def _values(self, value: Any, plan: "_Plan", path: str, depth: int) -> Any:
        if plan.shape is Shape.LIST and isinstance(value, list):
            return [self._value(item, plan, path, depth) for item in value]
        if plan.shape is Shape.MAP and isinstance(value, dict):
            return {key: self._value(item, plan, path, depth) for key, item in value.items()}
        return self._value(value, plan, path, depth) if plan.shape is Shape.ONE else value

    def _value(self, value: Any, plan: "_Plan", path: str, depth: int) -> Any:
        if plan.is_any:
            return self._any(value, path, depth)
        if plan.inner is not None:
            return self._standard(value, plan.inner, path, depth)
        if plan.timestamps is not None:
            return _standard_time(value, plan.timestamps, path)
        return plan.numbers.get(value, value) if isinstance(value, str) else value


class _Guard:
    """A pool without the types that may lack a required field; tells whether one was wanted."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self.held = False

    def FindMessageTypeByName(self, name: str) -> Descriptor:  # noqa: N802 (a pool's)
        found = self._pool.FindMessageTypeByName(name)
        if has_required(found):
            self.held = True
            raise KeyError(name)
        return found

    def required(self, url: str) -> Descriptor | None:
        """Return the type of an Any, where it may lack a required field."""
        try:
            found = self._pool.FindMessageTypeByName(url.split("/")[-1])
        except KeyError:
            return None
        return found if has_required(found) else None


class _Plan:
    """What is to be done with one field: objects in it, or a habit of its values."""

    __slots__ = ("inner", "is_any", "numbers", "shape", "timestamps")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.inner: Descriptor | None = None
        self.is_any = False
        self.timestamps: Timestamps | None = None
        self.numbers: dict[str, int] = {}


def _plan(field: FieldDescriptor, habits: Habits) -> _Plan | None:
    plan = _Plan(shape_of(field))
    values = habits.values_of(field)
    kind = kind_of(value_of(field))
    if kind is Kind.MESSAGE:
        plan.inner = value_of(field).message_type
    elif kind is Kind.ANY:
        plan.is_any = True
    elif kind is Kind.TIMESTAMP and values.timestamps is not Timestamps.RFC3339:
        plan.timestamps = values.timestamps
    elif kind is Kind.ENUM and values != STANDARD.values:
        enum_type: Any = value_of(field).enum_type
        plan.numbers = enum_numbers(enum_type, values)
    else:
        return None
    return plan


def _standard_time(value: Any, timestamps: Timestamps, path: str) -> Any:
    if isinstance(value, str):
        try:
            times.read_time(value)
        except (UnusualError, LookupError, ValueError):
            pass
        else:
            return value
    try:
        return times.time_text(Timestamp(**times.READ_TIME[timestamps](value)))
    except (UnusualError, LookupError, ValueError, TypeError):
        if isinstance(value, str):
            return value  # an odd form of RFC 3339, perhaps
        raise MappingError(f"no time is {str(value)[:40]!r} at {path}") from None


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
