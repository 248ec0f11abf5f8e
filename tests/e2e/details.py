"""What a failed call said, unpacked for assertions."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2


@dataclass(frozen=True)
class Failure:
    """A failed call: status, sentence, google.rpc.ErrorInfo and all its details."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    status: status_pb2.Status

    def detail(self, message_class: type[Message]) -> Any:
        """Return the detail of a type; fail where there is none."""
        for packed in self.status.details:
            if packed.Is(message_class.DESCRIPTOR):
                detail = message_class()
                packed.Unpack(detail)
                return detail
        raise AssertionError(f"no {message_class.DESCRIPTOR.full_name} in {self.status}")


def failure(error: Any) -> Failure:
    """Return what an RpcError or AioRpcError says; its details must agree with its status."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found = Failure(error.code(), error.details(), "", {}, status)
    info = found.detail(error_details_pb2.ErrorInfo)
    assert info.domain == "seawall"
    return Failure(error.code(), error.details(), info.reason, dict(info.metadata), status)
