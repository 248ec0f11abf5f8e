from google.api import annotations_pb2 as _annotations_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitRequest(_message.Message):
    __slots__ = ("email", "name", "text")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    email: str
    name: str
    text: str
    def __init__(self, email: _Optional[str] = ..., name: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class Submission(_message.Message):
    __slots__ = ("message_id", "operation")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    operation: str
    def __init__(self, message_id: _Optional[str] = ..., operation: _Optional[str] = ...) -> None: ...
