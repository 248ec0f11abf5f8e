"""Required fields of proto2, asked for before a message is serialized.

protobuf itself looks for the names of missing fields when it serializes, and in
version 7.36 that ends the process where a map with text keys is set above the field
that is missing. An upstream must not be able to do that.
"""

import functools
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.transcode.mapping.kinds import Shape, shape_of, value_of


@functools.lru_cache(maxsize=256)  # a pool that is replaced is not kept for ever
def has_required(message: Descriptor) -> bool:
    """Tell whether `message`, or one that it can hold, has a required field."""
    seen = {message}
    waiting = [message]
    while waiting:
        one = waiting.pop()
        if one.is_extendable:
            return True  # an extension may hold anything
        for field in one.fields:
            if field.is_required:
                return True
            inner: Any = value_of(field).message_type
            if inner is not None and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return False


def missing(message: Any) -> str | None:
    """Return the path of a required field that is not set, None where there is none."""
    if message.IsInitialized():
        return None
    return _find(message) or "?"


def _find(message: Any) -> str | None:
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            return str(field.name)
    for field, value in message.ListFields():
        for item in _messages(field, value):
            if (below := _find(item)) is not None:
                return f"{field.name}.{below}"
    return None


def _messages(field: FieldDescriptor, value: Any) -> Any:
    if value_of(field).message_type is None:
        return ()
    shape = shape_of(field)
    if shape is Shape.MAP:
        return [value[key] for key in value]
    return value if shape is Shape.LIST else (value,)
