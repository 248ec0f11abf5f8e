"""Server reflection, v1 and v1alpha: the protos that are served, for grpcurl and buf.

The two versions differ in their package only, so one implementation answers both;
the descriptor of v1 is made from the one that grpcio-reflection ships.

A listener that serves some services alone shows these alone (`shown.py`).
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from google.api import (
    annotations_pb2,
    client_pb2,
    field_behavior_pb2,
    http_pb2,
    launch_stage_pb2,
)
from google.longrunning import operations_proto_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    timestamp_pb2,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from seawall.admin.v1 import admin_pb2
from seawall.error.v1 import error_pb2
from seawall.operations.v1 import operations_pb2

from gateway.core.call import Call, MethodInfo, Target
from gateway.core.outcome import Outcome
from gateway.core.status import Code
from gateway.ingress import rate_limit_service
from gateway.ingress.local import LocalStream
from gateway.ingress.shown import Shown

_OPERATIONS = (
    *(any_pb2, empty_pb2, timestamp_pb2, http_pb2, annotations_pb2, launch_stage_pb2),
    *(client_pb2, field_behavior_pb2),
    *(status_pb2, operations_proto_pb2, operations_pb2),
)
"""What google.longrunning.Operations is described by, each behind what it imports."""
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
        *(health_pb2, descriptor_pb2, duration_pb2, error_details_pb2, error_pb2),
        *(*_OPERATIONS, admin_pb2),
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
        listeners: what is served on those listeners that do not serve everything, by the
            names that calls have of them.
    """

    def __init__(
        self,
        pools: Sequence[DescriptorPool],
        services: Iterable[str],
        listeners: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        served = frozenset(services)
        everywhere = Shown(pools, served)
        self._shown = {
            name: Shown(pools, served & frozenset(only), of_all=False)
            for name, only in (listeners or {}).items()
        }
        self._targets = {
            MethodInfo(service, "ServerReflectionInfo", True, True): _ByListener(
                f"{service}Request", everywhere, self._shown
            )
            for service in SERVICES
        }

    def targets(self) -> dict[MethodInfo, Target]:
        """Return the methods of both versions."""
        return dict(self._targets)

    def end_streams(self) -> None:
        """End every stream that waits for a request."""
        for target in self._targets.values():
            target.end()


class _ByListener:
    """The one method, which answers by the listener of a call."""

    def __init__(self, message: str, everywhere: Shown, listeners: Mapping[str, Shown]) -> None:
        self._everywhere = LocalStream(_Request, partial(answer_all, everywhere), message)
        self._listeners = {
            name: LocalStream(_Request, partial(answer_all, shown), message)
            for name, shown in listeners.items()
        }

    async def __call__(self, call: Call) -> Outcome:
        """Answer until the requests end."""
        return await self._listeners.get(call.listener, self._everywhere)(call)

    def end(self) -> None:
        """End every stream that waits for a request."""
        for stream in (self._everywhere, *self._listeners.values()):
            stream.end()


async def answer_all(shown: Shown, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Answer a stream of requests, one by one."""
    async for request in requests:
        yield answer(shown, request)


def answer(shown: Shown, request: Any) -> Any:
    """Answer one request; what is not found is an error_response, not a failed call."""
    response = _Response(valid_host=request.host, original_request=request)
    kind = request.WhichOneof("message_request")
    files = response.file_descriptor_response.file_descriptor_proto
    try:
        if kind == "list_services":
            for name in sorted(shown.services):
                response.list_services_response.service.add(name=name)
        elif kind == "file_by_filename":
            files.extend(shown.file(request.file_by_filename))
        elif kind == "file_containing_symbol":
            files.extend(shown.symbol(request.file_containing_symbol))
        elif kind == "file_containing_extension":
            asked = request.file_containing_extension
            files.extend(shown.extension(asked.containing_type, asked.extension_number))
        elif kind == "all_extension_numbers_of_type":
            found = response.all_extension_numbers_response
            found.extension_number.extend(shown.numbers(request.all_extension_numbers_of_type))
            found.base_type_name = request.all_extension_numbers_of_type
        else:
            _error(response, Code.INVALID_ARGUMENT, "the request asks for nothing")
    except KeyError:
        asked = str(getattr(request, kind)).strip().replace("\n", ", ")
        _error(response, Code.NOT_FOUND, f"not found: {asked}")
    return response


def _error(response: Any, code: Code, message: str) -> None:
    response.error_response.error_code = int(code)
    response.error_response.error_message = message
