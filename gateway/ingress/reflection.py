"""Server reflection, v1 and v1alpha: the protos that are served, for grpcurl and buf.

The two versions differ in their package only, so one implementation answers both;
the descriptor of v1 is made from the one that grpcio-reflection ships.
"""

import functools
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, duration_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from seawall.admin.v1 import admin_pb2
from seawall.error.v1 import error_pb2

from gateway.core.call import MethodInfo, Target
from gateway.core.status import Code
from gateway.ingress import rate_limit_service
from gateway.ingress.local import LocalStream

_ALPHA = "grpc.reflection.v1alpha"
_STABLE = "grpc.reflection.v1"
SERVICES = (f"{_STABLE}.ServerReflection", f"{_ALPHA}.ServerReflection")

_Request = reflection_pb2.ServerReflectionRequest
_Response = reflection_pb2.ServerReflectionResponse


def own_pool() -> DescriptorPool:
    """Return the descriptors of what the gateway answers itself, its error details included."""
    pool = DescriptorPool()
    alpha = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
    stable = FileDescriptorProto()
    stable.CopyFrom(alpha)
    stable.name = "grpc/reflection/v1/reflection.proto"
    stable.package = _STABLE
    _rename(stable)
    own = [alpha, stable]
    for module in (
        *(health_pb2, descriptor_pb2, duration_pb2, error_details_pb2, error_pb2, admin_pb2),
    ):
        own.append(FileDescriptorProto())
        module.DESCRIPTOR.CopyToProto(own[-1])
    names = {file.name for file in own}
    own += [file for file in rate_limit_service.descriptors() if file.name not in names]
    for file in own:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _rename(file: FileDescriptorProto) -> None:
    def stable(name: str) -> str:
        return name.replace(f".{_ALPHA}.", f".{_STABLE}.")

    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = stable(field.type_name)
    for service in file.service:
        for method in service.method:
            method.input_type = stable(method.input_type)
            method.output_type = stable(method.output_type)


class Reflection:
    """Answers from the first pool that knows.

    Args:
        pools: the served protos, then the gateway's own.
        services: full names, as `list` shows them.
    """

    def __init__(self, pools: Sequence[DescriptorPool], services: Iterable[str]) -> None:
        self._pools = tuple(pools)
        self._services = sorted(services)
        self._target = LocalStream(_Request, self.answer_all)

    def targets(self) -> dict[MethodInfo, Target]:
        """Return the methods of both versions."""
        return {
            MethodInfo(service, "ServerReflectionInfo", True, True): self._target
            for service in SERVICES
        }

    def end_streams(self) -> None:
        """End every stream that waits for a request."""
        self._target.end()

    async def answer_all(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Answer a stream of requests, one by one."""
        async for request in requests:
            yield self.answer(request)

    def answer(self, request: Any) -> Any:
        """Answer one request; what is not found is an error_response, not a failed call."""
        response = _Response(valid_host=request.host, original_request=request)
        kind = request.WhichOneof("message_request")
        try:
            if kind == "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            elif kind == "file_by_filename":
                self._files(response, self._find("FindFileByName", request.file_by_filename))
            elif kind == "file_containing_symbol":
                self._files(response, self._by_symbol(request.file_containing_symbol))
            elif kind == "file_containing_extension":
                asked = request.file_containing_extension
                self._files(
                    response, self._extension(asked.containing_type, asked.extension_number)
                )
            elif kind == "all_extension_numbers_of_type":
                self._numbers(response, request.all_extension_numbers_of_type)
            else:
                _error(response, Code.INVALID_ARGUMENT, "the request asks for nothing")
        except KeyError:
            asked = str(getattr(request, kind)).strip().replace("\n", ", ")
            _error(response, Code.NOT_FOUND, f"not found: {asked}")
        return response

    def _find(self, lookup: str, name: str) -> Any:
        for pool in self._pools:
            try:
                return getattr(pool, lookup)(name)
            except KeyError:
                continue
        raise KeyError(name)

    def _by_symbol(self, symbol: str) -> FileDescriptor:
        try:
            found: FileDescriptor = self._find("FindFileContainingSymbol", symbol)
        except KeyError:
            # A method, field or enum value: its file is that of what contains it.
            parent, _, member = symbol.rpartition(".")
            if not parent:
                raise
            found = self._find("FindFileContainingSymbol", parent)
            if not _has_member(self._pools, parent, member):
                raise KeyError(symbol) from None
        return found

    def _extension(self, type_name: str, number: int) -> FileDescriptor:
        for pool in self._pools:
            try:
                message = pool.FindMessageTypeByName(type_name)
                extension: Any = pool.FindExtensionByNumber(message, number)
                found: FileDescriptor = extension.file
            except KeyError:
                continue
            return found
        raise KeyError(type_name)

    def _numbers(self, response: Any, type_name: str) -> None:
        numbers: set[int] = set()
        known = False
        for pool in self._pools:
            try:
                message = pool.FindMessageTypeByName(type_name)
            except KeyError:
                continue
            known = True
            numbers |= {extension.number for extension in pool.FindAllExtensions(message)}
        if not known:
            raise KeyError(type_name)
        response.all_extension_numbers_response.base_type_name = type_name
        response.all_extension_numbers_response.extension_number.extend(sorted(numbers))

    def _files(self, response: Any, file: FileDescriptor) -> None:
        """Put `file` and what it imports into the response, each once."""
        seen: dict[str, FileDescriptor] = {}
        waiting = [file]
        while waiting:
            one = waiting.pop()
            if one.name not in seen:
                seen[one.name] = one
                waiting.extend(one.dependencies)
        for one in seen.values():
            response.file_descriptor_response.file_descriptor_proto.append(_spelled(one))


@functools.lru_cache(maxsize=1024)
def _spelled(file: FileDescriptor) -> bytes:
    """Return a file with the JSON name of every field.

    What Python packages bring along has them left out, and clients then print
    `retry_delay` where the JSON mapping says `retryDelay`.
    """
    proto = FileDescriptorProto.FromString(file.serialized_pb)
    waiting: list[Any] = list(proto.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        for field in message.field:
            if not field.json_name:
                head, *rest = field.name.split("_")
                field.json_name = head + "".join(part[:1].upper() + part[1:] for part in rest)
    spelled: bytes = proto.SerializeToString()
    return spelled


def _has_member(pools: Sequence[DescriptorPool], parent: str, member: str) -> bool:
    for pool in pools:
        for lookup, members in (
            ("FindServiceByName", "methods_by_name"),
            ("FindMessageTypeByName", "fields_by_name"),
            ("FindEnumTypeByName", "values_by_name"),
        ):
            try:
                if member in getattr(getattr(pool, lookup)(parent), members):
                    return True
            except KeyError:
                continue
    return False


def _error(response: Any, code: Code, message: str) -> None:
    response.error_response.error_code = int(code)
    response.error_response.error_message = message
