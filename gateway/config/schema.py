"""The protos that are served: from a descriptor set, or compiled from a folder.

Everything lives in a descriptor pool of its own, apart from the gateway's
generated code. Well-known types and the annotations that a set leaves out are
taken from what the gateway itself carries.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.api import annotations_pb2, client_pb2, field_behavior_pb2, httpbody_pb2, resource_pb2
from google.longrunning import operations_proto_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1 import error_pb2
from seawall.operations.v1 import operations_pb2
from seawall.policy.v1 import policy_pb2

from gateway.config.files import UnreadableFileError, read_bytes
from gateway.config.protoc import run_protoc
from gateway.core.errors import ConfigError
from gateway.transcode import constraints

MAX_SET_BYTES = 256 * 1024 * 1024
"""Of a descriptor set; the largest public ones have about 20 MB."""


def _closure(*modules: Any) -> dict[str, FileDescriptor]:
    """Return the files of generated modules with everything they import, imports first."""
    found: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        for dependency in file.dependencies:
            visit(dependency)
        found[file.name] = file

    for module in modules:
        visit(module.DESCRIPTOR)
    return found


_CARRIED = _closure(
    annotations_pb2,
    any_pb2,
    client_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    error_details_pb2,
    error_pb2,
    field_behavior_pb2,
    field_mask_pb2,
    httpbody_pb2,
    operations_proto_pb2,
    operations_pb2,
    policy_pb2,
    resource_pb2,
    source_context_pb2,
    status_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
"""What protos may import without bringing it along, by file name."""


class Schema:
    """Descriptors in a pool, with the places in the sources of what may be told.

    That are services and methods, and in files with rules of buf.validate also messages,
    fields and oneofs.

    Args:
        files: in any order; every import is among them or carried by the gateway.
        where: what to call the whole in errors.
        own: names of the files whose services count; None for all but those that the
            gateway carries, which come along as imports.

    Raises:
        ConfigError: an import is missing, or the descriptors contradict each other.
    """

    def __init__(
        self,
        files: Sequence[descriptor_pb2.FileDescriptorProto],
        where: str,
        own: Sequence[str] | None = None,
    ) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        protos: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        for file in files:
            if file.name in protos and protos[file.name] != file:
                raise ConfigError.one(where, f"{file.name} is in it twice, not the same")
            protos[file.name] = file
        self._own = list(own) if own is not None else [n for n in protos if not _is_carried(n)]
        # An Any may hold what no proto imports: the well-known types, and error details.
        known = [name for name in _CARRIED if name.startswith("google/protobuf/")]
        roots = [*protos, *known, error_details_pb2.DESCRIPTOR.name]
        self._files = list(_with_imports(roots, protos, where))
        for name in self._files:
            try:
                self.pool.AddSerializedFile(protos[name].SerializeToString())
            except Exception as error:  # upb raises TypeError with its own explanation
                raise ConfigError.one(where, f"{name}: {_clean(error)}") from None
        # The protos end here: with sources they are several times what the pool needs.
        self._lines = {name: _lines(file) for name, file in protos.items()}

    def services(self, *, imported: bool = False) -> Iterator[ServiceDescriptor]:
        """Yield the services of the given files; with `imported`, those that came along too."""
        for name in self._files if imported else self._own:
            yield from self.pool.FindFileByName(name).services_by_name.values()

    def enums(self) -> Iterator[EnumDescriptor]:
        """Yield the enums of every file that the gateway does not carry, those of messages too."""
        for name in self._files:
            if _is_carried(name):
                continue
            file = self.pool.FindFileByName(name)
            yield from file.enum_types_by_name.values()
            for message in file.message_types_by_name.values():
                yield from _enums_of(message)

    def new_message(self, descriptor: Descriptor) -> type[Message]:
        """Return the message class of `descriptor`."""
        return message_factory.GetMessageClass(descriptor)

    def unpacked(self, type_url: str, value: bytes) -> Message | None:
        """Return what a google.protobuf.Any holds, None where its type is not known here.

        Raises:
            DecodeError: it is damaged.
        """
        try:
            descriptor = self.pool.FindMessageTypeByName(type_url.rpartition("/")[2])
        except KeyError:
            return None
        return self.new_message(descriptor).FromString(value)

    def where_service(self, service: ServiceDescriptor) -> str:
        """Return "file:line" of a service, or the file where the line is not known."""
        return self._where(service.file.name, (6, service.index))

    def where_method(self, method: MethodDescriptor) -> str:
        """Return "file:line" of a method, or the file where the line is not known."""
        service = method.containing_service
        return self._where(service.file.name, (6, service.index, 2, method.index))

    def where_rule(self, carrier: Any) -> str:
        """Return "file:line" of a message, field or oneof that carries rules of buf.validate.

        The file where the line is not known.
        """
        path: tuple[int, ...] = ()
        message: Descriptor | None = carrier
        if not isinstance(carrier, Descriptor):
            # DescriptorProto.field and DescriptorProto.oneof_decl
            number = 2 if isinstance(carrier, FieldDescriptor) else 8
            message, path = carrier.containing_type, (number, carrier.index)
        assert message is not None
        file = message.file.name
        while message is not None:
            outer = message.containing_type
            path = (4 if outer is None else 3, _index(message), *path)
            message = outer
        return self._where(file, path)

    def _where(self, file: str, path: tuple[int, ...]) -> str:
        line = self._lines.get(file, {}).get(path)
        return f"{file}:{line}" if line else file


def _index(message: Descriptor) -> int:
    """Return which of its file's, or of its outer message's, a message is."""
    outer = message.containing_type
    among = message.file.message_types_by_name.values() if outer is None else outer.nested_types
    return [one.name for one in among].index(message.name)


def _enums_of(message: Descriptor) -> Iterator[EnumDescriptor]:
    yield from message.enum_types
    for nested in message.nested_types:
        yield from _enums_of(nested)


def _is_carried(name: str) -> bool:
    return name in _CARRIED or name == constraints.FILE


def _lines(file: descriptor_pb2.FileDescriptorProto) -> dict[tuple[int, ...], int]:
    """Return the lines of what may be told, by path (SourceCodeInfo.Location.path)."""
    lines: dict[tuple[int, ...], int] = {}
    ruled = constraints.FILE in file.dependency
    if not (ruled or file.service):
        return lines
    for at in file.source_code_info.location:
        path = at.path
        # 6 is FileDescriptorProto.service; most locations are those of messages, which is 4.
        if not (path and at.span):
            continue
        of_service = path[0] == 6 and len(path) in (2, 4)
        if of_service or (ruled and path[0] == 4 and _is_declaration(path)):
            lines[tuple(path)] = at.span[0] + 1
    return lines


def _is_declaration(path: Sequence[int]) -> bool:
    """Tell whether a path below a message is that of a message, a field or a oneof."""
    return len(path) % 2 == 0 and path[-2] in (2, 3, 4, 8) and set(path[2:-2:2]) <= {3}


def _with_imports(
    roots: Sequence[str], files: dict[str, descriptor_pb2.FileDescriptorProto], where: str
) -> Iterator[str]:
    """Yield file names, imports first; add to `files` what the gateway carries."""
    state: dict[str, bool] = {}  # False while its imports are visited
    for root in roots:
        stack = [(root, "")]
        while stack:
            name, importer = stack[-1]
            if name not in state:
                if name not in files and name == constraints.FILE:
                    files[name] = descriptor_pb2.FileDescriptorProto.FromString(
                        constraints.validate_file()
                    )
                elif name not in files:
                    if name not in _CARRIED:
                        raise ConfigError.one(
                            where,
                            f"{importer} imports {name}, which is not in the set; "
                            "write it with --include_imports (protoc) or by 'buf build'",
                        )
                    files[name] = descriptor_pb2.FileDescriptorProto()
                    _CARRIED[name].CopyToProto(files[name])
                state[name] = False
                stack += [(d, name) for d in files[name].dependency if d not in state]
            else:
                stack.pop()
                if not state[name]:
                    state[name] = True
                    yield name


def load_descriptor_set(path: Path) -> Schema:
    """Read a binary FileDescriptorSet.

    Raises:
        ConfigError: it cannot be read, is malformed or is not complete.
    """
    where = str(path)
    try:
        data = read_bytes(path, MAX_SET_BYTES)
    except UnreadableFileError as error:
        raise ConfigError.one(where, str(error)) from None
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    except DecodeError:
        raise ConfigError.one(
            where,
            "is not a binary FileDescriptorSet; make one with "
            "'protoc --include_imports --descriptor_set_out' or 'buf build -o'",
        ) from None
    if not files or not all(file.name for file in files):
        raise ConfigError.one(where, "holds no protobuf files")
    return Schema(list(files), where)


def compile_protos(folder: Path) -> Schema:
    """Compile every .proto file below `folder`, which is the import root too.

    Raises:
        ConfigError: a line for each mistake, with file, line and column.
    """
    if not folder.is_dir():
        raise ConfigError.one(str(folder), "is not a folder of .proto files")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.proto") if p.is_file())
    if not names:
        raise ConfigError.one(str(folder), "holds no .proto files")
    own = set(names)
    carried = [_proto(file) for name, file in _CARRIED.items() if name not in own]
    if constraints.FILE not in own and any(_validates(folder / name) for name in names):
        carried.append(descriptor_pb2.FileDescriptorProto.FromString(constraints.validate_file()))
    compiled = run_protoc(folder, names, descriptor_pb2.FileDescriptorSet(file=carried))
    return Schema(list(compiled.file), str(folder), own=names)


def _validates(path: Path) -> bool:
    try:
        return constraints.FILE.encode() in path.read_bytes()
    except OSError:
        return False  # protoc says why


def _proto(file: FileDescriptor) -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    return proto


def _clean(error: BaseException) -> str:
    return " ".join(str(error).split())
