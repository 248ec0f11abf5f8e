"""Which field's rule it is that does not compile.

The engine names it in some of its sentences only. Here each field, oneof and the message
itself is asked alone, in a copy of its file without the rules of the others. Only where
something is wrong, before the gateway serves.
"""

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor

from gateway.transcode.constraints.vocabulary import has_rule

Fails = Callable[[Any], bool]
"""Tells whether the rules of a message class do not compile."""


def culprit(message: Descriptor, fails: Fails) -> str:
    """Return the full name of what carries a bad rule, the message's where nothing is found.

    Args:
        message: whose rules do not compile.
        fails: tells it of a class.
    """
    for name, carrier in _carriers(message):
        if has_rule(carrier.GetOptions()) and fails(_alone(message, carrier)):
            return name
    return message.full_name


def _carriers(message: Descriptor) -> Iterator[tuple[str, Any]]:
    yield from ((field.full_name, field) for field in message.fields)
    yield from ((oneof.full_name, oneof) for oneof in message.oneofs)


def _alone(message: Descriptor, kept: Any) -> Any:
    """Return the class of `message` in which nothing but `kept` has options."""
    pool = descriptor_pool.DescriptorPool()
    file = _copied(message.file)
    found = _find(file, message)
    found.ClearField("options")
    for declared in (*found.field, *found.oneof_decl):
        if declared.name != kept.name:
            declared.ClearField("options")
    for imported in _imports(message.file, {}):
        pool.AddSerializedFile(imported.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(message.full_name))


def _copied(file: FileDescriptor) -> descriptor_pb2.FileDescriptorProto:
    copied = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(copied)
    return copied


def _find(file: Any, message: Descriptor) -> Any:
    outer = message.containing_type
    among = file.message_type if outer is None else _find(file, outer).nested_type
    return next(one for one in among if one.name == message.name)


def _imports(file: FileDescriptor, seen: dict[str, None]) -> Iterator[FileDescriptor]:
    for one in file.dependencies:
        if one.name not in seen:
            seen[one.name] = None
            yield from _imports(one, seen)
            yield one
