import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Deployment(_message.Message):
    __slots__ = ("deployment_id", "store", "template_id", "version", "state", "create_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Deployment.State]
        PENDING: _ClassVar[Deployment.State]
        RUNNING: _ClassVar[Deployment.State]
        SUCCEEDED: _ClassVar[Deployment.State]
        FAILED: _ClassVar[Deployment.State]
    STATE_UNSPECIFIED: Deployment.State
    PENDING: Deployment.State
    RUNNING: Deployment.State
    SUCCEEDED: Deployment.State
    FAILED: Deployment.State
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    store: str
    template_id: str
    version: str
    state: Deployment.State
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, deployment_id: _Optional[str] = ..., store: _Optional[str] = ..., template_id: _Optional[str] = ..., version: _Optional[str] = ..., state: _Optional[_Union[Deployment.State, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeployRequest(_message.Message):
    __slots__ = ("store", "template_id", "version")
    STORE_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    store: str
    template_id: str
    version: str
    def __init__(self, store: _Optional[str] = ..., template_id: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class GetDeploymentRequest(_message.Message):
    __slots__ = ("deployment_id",)
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    def __init__(self, deployment_id: _Optional[str] = ...) -> None: ...
