"""buf/validate/validate.proto itself: its file, and what of it nobody here can read.

The file comes from protovalidate, which also holds messages to it. Its engine refuses rules
of a kind that it does not know inside the rules for strings, numbers and so on, but passes
over what it does not know beside them. A rule that is passed over is a promise that is not
kept, so those are found here.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    timestamp_pb2,
)
from google.protobuf.unknown_fields import UnknownFieldSet

FILE = "buf/validate/validate.proto"
OPTION = 1159
"""Number of buf.validate's extension of the options of messages, fields and oneofs."""
_PACKAGE = "buf.validate."
_EXTENSIONS = {
    "google.protobuf.MessageOptions": "buf.validate.message",
    "google.protobuf.FieldOptions": "buf.validate.field",
    "google.protobuf.OneofOptions": "buf.validate.oneof",
}


def validate_file() -> bytes:
    """Return the serialized descriptor of `FILE`, for protos that import it."""
    import protovalidate  # not before somebody needs it: it takes a tenth of a second

    return protovalidate.ViolationPb.desc().file.proto.to_binary()


def has_rule(options: Any) -> bool:
    """Tell whether the options of a message, field or oneof carry a rule."""
    unknown: Any = UnknownFieldSet(options)
    return any(field.field_number == OPTION for field in unknown) or any(
        field.full_name.startswith(_PACKAGE) for field, _ in options.ListFields()
    )


def unread(options: Any) -> Iterator[str]:
    """Yield what the rules of `options` hold that no rule of this version is, by its path."""
    yield from _unread(_read(options), f"({_EXTENSIONS[options.DESCRIPTOR.full_name]})")


class Expressions(NamedTuple):
    """How many expressions the rules of a message, field or oneof have evaluated.

    Args:
        own: for the whole of it.
        each: for every item, or every key and its value.
    """

    own: int
    each: int


def expressions(options: Any) -> Expressions:
    """Return how many expressions the rules of `options` have, those that users define too."""
    if not has_rule(options):
        return Expressions(0, 0)
    return _expressions(_read(options))


def _expressions(rules: Any) -> Expressions:
    own, each = 0, 0
    for field, value in rules.ListFields():
        if field.name in ("cel", "cel_expression"):
            own += len(value)
        elif field.name == "repeated":
            each += sum(_expressions(value.items))
        elif field.name == "map":
            each += sum(_expressions(value.keys)) + sum(_expressions(value.values))
        if field.message_type is not None and not field.is_repeated:
            unknown: Any = UnknownFieldSet(value)  # extensions: rules of users are expressions
            own += len(unknown)
    return Expressions(own, each)


def _read(options: Any) -> Any:
    """Return the rules of `options` as this version reads them."""
    kind = options.DESCRIPTOR.full_name
    pool = _pool()
    own = message_factory.GetMessageClass(pool.FindMessageTypeByName(kind))
    extension: Any = pool.FindExtensionByName(_EXTENSIONS[kind])
    return own.FromString(options.SerializeToString()).Extensions[extension]


def _unread(rules: Any, at: str) -> Iterator[str]:
    if not rules.DESCRIPTOR.is_extendable:  # others have rules of users too: the engine looks
        unknown: Any = UnknownFieldSet(rules)
        for field in unknown:
            yield f"{at} holds field {field.field_number}"
    for field, value in rules.ListFields():
        kind = field.message_type
        if kind is None or not kind.full_name.startswith(_PACKAGE):
            continue
        for one in value if field.is_repeated else (value,):
            yield from _unread(one, f"{at}.{field.name}")


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(validate_file())
    return pool
