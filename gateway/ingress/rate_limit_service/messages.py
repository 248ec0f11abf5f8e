"""The messages of envoy.service.ratelimit.v3, as far as they are read and written here.

Names and numbers are those of Envoy's data plane API, without the fields that this server
has no use for: they are skipped in requests. The descriptors are made here, in a pool of
their own, so that they stand in nobody's way who has Envoy's own.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf import duration_pb2, message_factory, wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

_PACKAGE = "envoy.service.ratelimit.v3"
_COMMON = "envoy.extensions.common.ratelimit.v3"
SERVICE = f"{_PACKAGE}.RateLimitService"

_F = FieldDescriptorProto
_Field = tuple[str, int, str]
"""Name, number and type; a type with a dot is a message, one that begins with "enum " an
enum; a number below zero is a repeated field."""

_TYPES = {"string": _F.TYPE_STRING, "uint32": _F.TYPE_UINT32}


def _message(name: str, *fields: _Field) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field, number, kind in fields:
        one = message.field.add(
            name=field,
            number=abs(number),
            label=_F.LABEL_REPEATED if number < 0 else _F.LABEL_OPTIONAL,
        )
        if kind in _TYPES:
            one.type = _TYPES[kind]
        else:
            one.type = _F.TYPE_ENUM if kind.startswith("enum ") else _F.TYPE_MESSAGE
            one.type_name = "." + kind.removeprefix("enum ")
    return message


def _enum(message: DescriptorProto, name: str, values: Iterable[tuple[str, int]]) -> None:
    enum = message.enum_type.add(name=name)
    for value, number in values:
        enum.value.add(name=value, number=number)


def _common() -> FileDescriptorProto:
    file = FileDescriptorProto(
        name="envoy/extensions/common/ratelimit/v3/ratelimit.proto",
        package=_COMMON,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    described = _message(
        "RateLimitDescriptor",
        ("entries", -1, f"{_COMMON}.RateLimitDescriptor.Entry"),
        ("limit", 2, f"{_COMMON}.RateLimitDescriptor.RateLimitOverride"),
        ("hits_addend", 3, "google.protobuf.UInt64Value"),
    )
    described.nested_type.add().CopyFrom(
        _message("Entry", ("key", 1, "string"), ("value", 2, "string"))
    )
    described.nested_type.add().CopyFrom(
        _message("RateLimitOverride", ("requests_per_unit", 1, "uint32"), ("unit", 2, "uint32"))
    )
    file.message_type.add().CopyFrom(described)
    return file


def _service(common: FileDescriptorProto) -> FileDescriptorProto:
    answer = f"{_PACKAGE}.RateLimitResponse"
    file = FileDescriptorProto(
        name="envoy/service/ratelimit/v3/rls.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[common.name, duration_pb2.DESCRIPTOR.name],
    )
    file.message_type.add().CopyFrom(
        _message(
            "RateLimitRequest",
            ("domain", 1, "string"),
            ("descriptors", -2, f"{_COMMON}.RateLimitDescriptor"),
            ("hits_addend", 3, "uint32"),
        )
    )
    response = _message(
        "RateLimitResponse",
        ("overall_code", 1, f"enum {answer}.Code"),
        ("statuses", -2, f"{answer}.DescriptorStatus"),
    )
    _enum(response, "Code", (("UNKNOWN", 0), ("OK", 1), ("OVER_LIMIT", 2)))
    limit = _message(
        "RateLimit",
        ("requests_per_unit", 1, "uint32"),
        ("unit", 2, f"enum {answer}.RateLimit.Unit"),
        ("name", 3, "string"),
    )
    units = (("UNKNOWN", 0), ("SECOND", 1), ("MINUTE", 2), ("HOUR", 3), ("DAY", 4), ("WEEK", 7))
    _enum(limit, "Unit", units)
    status = _message(
        "DescriptorStatus",
        ("code", 1, f"enum {answer}.Code"),
        ("current_limit", 2, f"{answer}.RateLimit"),
        ("limit_remaining", 3, "uint32"),
        ("duration_until_reset", 4, "google.protobuf.Duration"),
    )
    response.nested_type.add().CopyFrom(limit)
    response.nested_type.add().CopyFrom(status)
    file.message_type.add().CopyFrom(response)
    file.service.add(name="RateLimitService").method.add(
        name="ShouldRateLimit",
        input_type=f".{_PACKAGE}.RateLimitRequest",
        output_type=f".{answer}",
    )
    return file


def descriptors() -> list[FileDescriptorProto]:
    """Return the files, each behind what it imports: for reflection."""
    files = []
    for module in (duration_pb2, wrappers_pb2):
        files.append(FileDescriptorProto())
        module.DESCRIPTOR.CopyToProto(files[-1])
    common = _common()
    return [*files, common, _service(common)]


_POOL = DescriptorPool()
for _file in descriptors():
    _POOL.AddSerializedFile(_file.SerializeToString())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


Request: Any = _class(f"{_PACKAGE}.RateLimitRequest")
Response: Any = _class(f"{_PACKAGE}.RateLimitResponse")
