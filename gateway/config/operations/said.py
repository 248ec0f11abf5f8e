"""Which methods have operations, and what those answer."""

from typing import Any, Final

from google.longrunning import operations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.merge import Origins
from gateway.config.sharing.coalescing import is_said

OPERATION: Final = "google.longrunning.Operation"


def has_operations(policy: MethodPolicy, origins: Origins) -> bool:
    """Tell whether calls of a method may be kept."""
    return is_said(origins, "operation") and not policy.operation.disabled


def is_later(method: MethodDescriptor, policy: MethodPolicy, origins: Origins) -> bool:
    """Tell whether every call of a method is kept, and made later."""
    return has_operations(policy, origins) and method.output_type.full_name == OPERATION


def answer_of(
    method: MethodDescriptor, policy: MethodPolicy, origins: Origins
) -> Descriptor | None:
    """Return what operations of a method answer; None where `operation_info` does not say."""
    if not is_later(method, policy, origins):
        return method.output_type
    return type_of(method, _info(method).response_type)


def metadata_of(method: MethodDescriptor) -> Descriptor | None:
    """Return what operations of a method say of themselves, None where nothing is declared."""
    return type_of(method, _info(method).metadata_type)


def _info(method: MethodDescriptor) -> Any:
    if not method.has_options:
        return operations_pb2.OperationInfo()
    options: Any = method.GetOptions()
    return options.Extensions[operations_pb2.operation_info]


def type_of(method: MethodDescriptor, name: str) -> Descriptor | None:
    """Return a message by the name that `operation_info` has: alone within the package."""
    if not name:
        return None
    file = method.containing_service.file
    pool: Any = file.pool
    for full_name in (f"{file.package}.{name}", name):
        try:
            found: Descriptor = pool.FindMessageTypeByName(full_name)
        except KeyError:
            continue
        return found
    return None
