"""Messages of a pool of their own, declared in a test."""

from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    timestamp_pb2,
)
from google.protobuf import json_enumvalue_options_pb2 as json_options


def pool_of(text: str) -> descriptor_pool.DescriptorPool:
    """Return a pool with one file, written as text of a FileDescriptorProto."""
    pool = descriptor_pool.DescriptorPool()
    for file in (descriptor_pb2.DESCRIPTOR, json_options.DESCRIPTOR, timestamp_pb2.DESCRIPTOR):
        pool.AddSerializedFile(file.serialized_pb)
    made = text_format.Parse(text, descriptor_pb2.FileDescriptorProto(name="made.proto"))
    pool.AddSerializedFile(made.SerializeToString())
    return pool


def message_class(pool: descriptor_pool.DescriptorPool, name: str) -> Any:
    """Return the class of a message in a pool."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
