import datetime

from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
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
    REASON_RATE_LIMITED: _ClassVar[Reason]
    REASON_UNAUTHENTICATED: _ClassVar[Reason]
    REASON_PERMISSION_DENIED: _ClassVar[Reason]
    REASON_SIGNATURE_INVALID: _ClassVar[Reason]
    REASON_REPLAYED: _ClassVar[Reason]
    REASON_CREDENTIAL_UNAVAILABLE: _ClassVar[Reason]
    REASON_IDENTITY_UNAVAILABLE: _ClassVar[Reason]
    REASON_STORE_UNAVAILABLE: _ClassVar[Reason]
    REASON_IN_PROGRESS: _ClassVar[Reason]
    REASON_DUPLICATE: _ClassVar[Reason]
    REASON_OUTCOME_UNKNOWN: _ClassVar[Reason]
    REASON_KEY_REUSED: _ClassVar[Reason]
    REASON_KEY_REQUIRED: _ClassVar[Reason]
    REASON_OPERATION_UNKNOWN: _ClassVar[Reason]
    REASON_ATTEMPTS_SPENT: _ClassVar[Reason]
    REASON_OPERATIONS_FULL: _ClassVar[Reason]
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
REASON_RATE_LIMITED: Reason
REASON_UNAUTHENTICATED: Reason
REASON_PERMISSION_DENIED: Reason
REASON_SIGNATURE_INVALID: Reason
REASON_REPLAYED: Reason
REASON_CREDENTIAL_UNAVAILABLE: Reason
REASON_IDENTITY_UNAVAILABLE: Reason
REASON_STORE_UNAVAILABLE: Reason
REASON_IN_PROGRESS: Reason
REASON_DUPLICATE: Reason
REASON_OUTCOME_UNKNOWN: Reason
REASON_KEY_REUSED: Reason
REASON_KEY_REQUIRED: Reason
REASON_OPERATION_UNKNOWN: Reason
REASON_ATTEMPTS_SPENT: Reason
REASON_OPERATIONS_FULL: Reason
ENTRY_FIELD_NUMBER: _ClassVar[int]
entry: _descriptor.FieldDescriptor

class ErrorEntry(_message.Message):
    __slots__ = ("title", "message", "action", "should_retry", "retry_delay", "code", "localized")
    class LocalizedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ErrorText
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ErrorText, _Mapping]] = ...) -> None: ...
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SHOULD_RETRY_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    LOCALIZED_FIELD_NUMBER: _ClassVar[int]
    title: str
    message: str
    action: str
    should_retry: bool
    retry_delay: _duration_pb2.Duration
    code: str
    localized: _containers.MessageMap[str, ErrorText]
    def __init__(self, title: _Optional[str] = ..., message: _Optional[str] = ..., action: _Optional[str] = ..., should_retry: _Optional[bool] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., code: _Optional[str] = ..., localized: _Optional[_Mapping[str, ErrorText]] = ...) -> None: ...

class ErrorText(_message.Message):
    __slots__ = ("title", "message", "action")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    title: str
    message: str
    action: str
    def __init__(self, title: _Optional[str] = ..., message: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

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
