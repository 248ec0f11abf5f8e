"""Whose rules they are that do not compile, in a type of which that is known.

The engine ends at the first of them, and names it in some of its sentences only. Here the
message, each field and each oneof is asked alone, in a copy of its file without the rules of
the others. Only where something is wrong, before the gateway serves.
"""

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor

from gateway.transcode.constraints.vocabulary import has_rule

Failure = Callable[[Any], str]
"""Returns why the rules of a message class are none, "" where they are."""


def culprits(message: Descriptor, failure: Failure) -> Iterator[tuple[Any, str]]:
    """Yield each carrier of rules that are none, its own descriptor, and why they are not."""
    carriers: tuple[Any, ...] = (message, *message.fields, *message.oneofs)
    for carrier in carriers:
        ruled = carrier.has_options and has_rule(carrier.GetOptions())
        if ruled and (text := failure(_alone(message, carrier))):
            yield carrier, text


def _alone(message: Descriptor, kept: Any) -> Any:
    """Return the class of `message` in which nothing but `kept` has options."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto()
    message.file.CopyToProto(file)
    found = _find(file, message)
    for declared in (found, *found.field, *found.oneof_decl):
        if declared.name != kept.name or (declared is found) != (kept is message):
            declared.ClearField("options")
    for imported in _imports(message.file, {}):
        pool.AddSerializedFile(imported.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(message.full_name))


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
