"""From policies to how messages are written: habits of JSON, header fields, fixed parts.

What a policy says of fields is held against the method's messages here, so that a
name that is not there stops the start, with its place.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1 import policy_pb2
from seawall.policy.v1.policy_pb2 import FieldPolicy, JsonPolicy, MethodPolicy, RequestPolicy

from gateway.config.checks import field_mistakes
from gateway.transcode.binding import Writing
from gateway.transcode.encode import RequestOptions
from gateway.transcode.habits import STANDARD_VALUES, EnumCase, Habits, Timestamps, ValueHabits

_MESSAGES = {
    "google.protobuf.Timestamp": "timestamps",
    "google.protobuf.Int64Value": "int64",
    "google.protobuf.UInt64Value": "int64",
}
"""What of a FieldPolicy can say something about messages."""


def _said(field: FieldDescriptor) -> Any:
    """Return the field's own option, None where it has none."""
    if not field.has_options:
        return None
    options: Any = field.GetOptions()
    extension = policy_pb2.field
    return options.Extensions[extension] if options.HasExtension(extension) else None


def _under(said: FieldPolicy, general: ValueHabits) -> ValueHabits:
    return ValueHabits(
        strip_enum_prefix=said.strip_enum_prefix
        if said.HasField("strip_enum_prefix")
        else general.strip_enum_prefix,
        enum_case=EnumCase(said.enum_case) if said.enum_case else general.enum_case,
        timestamps=Timestamps(said.timestamps) if said.timestamps else general.timestamps,
        int64_as_numbers=said.int64_as_numbers
        if said.HasField("int64_as_numbers")
        else general.int64_as_numbers,
    )


def field_values(field: FieldDescriptor, general: ValueHabits) -> ValueHabits:
    """Return how the values of `field` are written: its own option before the method's."""
    said = _said(field)
    return general if said is None else _under(said, general)


BY_FIELDS = Habits(of_field=field_values)
"""The protobuf JSON mapping, but for what fields say themselves."""


def habits_of(policy: MethodPolicy) -> Habits:
    """Return the habits that a method's policy declares."""
    json = policy.json
    return Habits(
        original_names=json.field_names == JsonPolicy.PROTO_NAME,
        values=_under(json.values, STANDARD_VALUES),
        of_field=field_values,
    )


def writing_of(policy: MethodPolicy) -> Writing:
    """Return what a method's policy says of how its messages are written."""
    return Writing(
        habits=habits_of(policy),
        header_fields={k.lower(): v for k, v in policy.headers.request_fields.items()},
        response_field=policy.json.response_field,
    )


def request_options(policy: MethodPolicy) -> RequestOptions:
    """Return what a method's requests have beyond their bindings."""
    return RequestOptions(
        max_url_bytes=policy.sizes.max_url_bytes,
        query=dict(sorted(policy.request.query.items())),
        headers={k.lower(): v for k, v in sorted(policy.headers.set.items())},
        as_form=policy.request.body_format == RequestPolicy.FORM,
    )


def option_mistakes(message: Descriptor, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for wrong field options of a message and all in it.

    Args:
        message: of a method.
        seen: full names of the messages looked at so far; filled on the way.
    """
    waiting = [message]
    while waiting:
        one = waiting.pop()
        if one.full_name in seen:
            continue
        seen.add(one.full_name)
        for field in one.fields:
            if field.message_type is not None:
                waiting.append(field.message_type)
            said = _said(field)
            if said is not None:
                for path, text in field_mistakes(said, _kind(field)):
                    yield f"{field.full_name}: {path}".rstrip(": "), text


def _kind(field: FieldDescriptor) -> str:
    """Return what of a FieldPolicy can say something about `field`."""
    inner = field
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
        if inner.message_type is not None:
            return _MESSAGES.get(inner.message_type.full_name, "")
    if inner.enum_type is not None:
        return "enum"
    return "int64" if inner.cpp_type in (inner.CPPTYPE_INT64, inner.CPPTYPE_UINT64) else ""
