import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_UPSTREAM_STATUS: _ClassVar[Reason]
    REASON_UPSTREAM_UNRESOLVED: _ClassVar[Reason]
    REASON_UPSTREAM_UNREACHABLE: _ClassVar[Reason]
    REASON_UPSTREAM_TLS: _ClassVar[Reason]
    REASON_UPSTREAM_RESET: _ClassVar[Reason]
    REASON_UPSTREAM_INVALID_ANSWER: _ClassVar[Reason]
    REASON_UPSTREAM_ANSWER_TOO_LARGE: _ClassVar[Reason]
    REASON_ATTEMPT_TIMEOUT: _ClassVar[Reason]
    REASON_DEADLINE_EXCEEDED: _ClassVar[Reason]
    REASON_INVALID_REQUEST: _ClassVar[Reason]
    REASON_REQUEST_TOO_LARGE: _ClassVar[Reason]
    REASON_DRAINING: _ClassVar[Reason]
    REASON_INTERNAL: _ClassVar[Reason]
    REASON_CANCELLED: _ClassVar[Reason]
    REASON_STREAM_IDLE: _ClassVar[Reason]
    REASON_BREAKER_OPEN: _ClassVar[Reason]
    REASON_NO_ENDPOINT: _ClassVar[Reason]
    REASON_CONCURRENCY_LIMIT: _ClassVar[Reason]
    REASON_PACED: _ClassVar[Reason]
    REASON_OVERLOADED: _ClassVar[Reason]
    REASON_QUORUM_MISSED: _ClassVar[Reason]
    REASON_SERIALIZED: _ClassVar[Reason]
REASON_UNSPECIFIED: Reason
REASON_UPSTREAM_STATUS: Reason
REASON_UPSTREAM_UNRESOLVED: Reason
REASON_UPSTREAM_UNREACHABLE: Reason
REASON_UPSTREAM_TLS: Reason
REASON_UPSTREAM_RESET: Reason
REASON_UPSTREAM_INVALID_ANSWER: Reason
REASON_UPSTREAM_ANSWER_TOO_LARGE: Reason
REASON_ATTEMPT_TIMEOUT: Reason
REASON_DEADLINE_EXCEEDED: Reason
REASON_INVALID_REQUEST: Reason
REASON_REQUEST_TOO_LARGE: Reason
REASON_DRAINING: Reason
REASON_INTERNAL: Reason
REASON_CANCELLED: Reason
REASON_STREAM_IDLE: Reason
REASON_BREAKER_OPEN: Reason
REASON_NO_ENDPOINT: Reason
REASON_CONCURRENCY_LIMIT: Reason
REASON_PACED: Reason
REASON_OVERLOADED: Reason
REASON_QUORUM_MISSED: Reason
REASON_SERIALIZED: Reason

class UserMessage(_message.Message):
    __slots__ = ("title", "text", "action", "retry_delay", "should_retry")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    SHOULD_RETRY_FIELD_NUMBER: _ClassVar[int]
    title: str
    text: str
    action: str
    retry_delay: _duration_pb2.Duration
    should_retry: bool
    def __init__(self, title: _Optional[str] = ..., text: _Optional[str] = ..., action: _Optional[str] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., should_retry: _Optional[bool] = ...) -> None: ...
