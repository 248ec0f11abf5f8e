"""A method between any two messages, so that a test can give it the rule it needs."""

from typing import Any

from google.api import http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from gateway.transcode.binding import Binding, BindingError, compile_bindings
from gateway.transcode.fields import Plans

POOL = descriptor_pool.Default()
"""Where the generated stubs live."""


def method(request: Any, response: Any) -> MethodDescriptor:
    """Return a method from one generated message class to another."""
    pool = descriptor_pool.DescriptorPool()
    files = (request.DESCRIPTOR.file, response.DESCRIPTOR.file)
    for file in files:
        _add(pool, file)
    service = descriptor_pb2.FileDescriptorProto(
        name="made/service.proto",
        package="made.v1",
        syntax="proto3",
        dependency=dict.fromkeys(file.name for file in files),
    )
    made = service.service.add(name="Service").method.add(
        name="Method",
        input_type=f".{request.DESCRIPTOR.full_name}",
        output_type=f".{response.DESCRIPTOR.full_name}",
    )
    assert made.name == "Method"
    pool.AddSerializedFile(service.SerializeToString())
    return pool.FindServiceByName("made.v1.Service").methods_by_name["Method"]


def _add(pool: descriptor_pool.DescriptorPool, file: FileDescriptor) -> None:
    for dependency in file.dependencies:
        _add(pool, dependency)
    pool.AddSerializedFile(file.serialized_pb)


def rule(**fields: Any) -> http_pb2.HttpRule:
    """Return a google.api.http rule, written as its JSON."""
    return json_format.ParseDict(fields, http_pb2.HttpRule())


def bindings(request: Any, response: Any, **fields: Any) -> tuple[Binding, ...]:
    """Return the compiled bindings of a rule."""
    return compile_bindings(method(request, response), rule(**fields), {})


def mistakes(request: Any, response: Any, plans: Plans | None = None, **fields: Any) -> list[str]:
    """Return what is wrong with a rule."""
    try:
        found = plans if plans is not None else {}
        compile_bindings(method(request, response), rule(**fields), found)
    except BindingError as error:
        return error.mistakes
    return []
