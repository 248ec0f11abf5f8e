"""A library's methods as a descriptor set with google.api.http, for the gateway to load.

The wheels of the libraries hold the messages but neither services nor bindings, so
those are written here: one file a service, beside all files the messages come from.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from e2e.google.libraries import HttpOption, Method
from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet


def descriptor_set(methods: Sequence[Method]) -> FileDescriptorSet:
    """Return services with `methods` and all that they import, imports first."""
    files: dict[str, FileDescriptorProto] = {}
    _add(annotations_pb2.DESCRIPTOR, files)
    for method in methods:
        _add(method.request.DESCRIPTOR.file, files)
        _add(method.response.DESCRIPTOR.file, files)
    for service, members in groupby(methods, key=lambda method: method.service):
        assert service not in files
        files[service] = _service(service, members)
    return FileDescriptorSet(file=files.values())


def _add(file: FileDescriptor, files: dict[str, FileDescriptorProto]) -> None:
    if file.name in files:
        return
    for imported in file.dependencies:
        _add(imported, files)
    files[file.name] = FileDescriptorProto()
    file.CopyToProto(files[file.name])


def _service(full_name: str, methods: Iterable[Method]) -> FileDescriptorProto:
    package, _, name = full_name.rpartition(".")
    file = FileDescriptorProto(name=f"{full_name}.proto", package=package, syntax="proto3")
    service = file.service.add(name=name)
    imports = {annotations_pb2.DESCRIPTOR.name}
    for method in methods:
        made = service.method.add(
            name=method.name,
            input_type=f".{method.request.DESCRIPTOR.full_name}",
            output_type=f".{method.response.DESCRIPTOR.full_name}",
            server_streaming=method.streaming,
        )
        imports |= {method.request.DESCRIPTOR.file.name, method.response.DESCRIPTOR.file.name}
        made.options.Extensions[annotations_pb2.http].CopyFrom(http_rule(method.options))
    file.dependency.extend(sorted(imports))
    return file


def http_rule(options: Sequence[HttpOption]) -> HttpRule:
    """Return bindings as one google.api.http rule."""
    first, *others = [HttpRule(body=option.body) for option in options]
    for rule, option in zip([first, *others], options, strict=True):
        setattr(rule, option.verb.lower(), option.uri)
    first.additional_bindings.extend(others)
    return first
