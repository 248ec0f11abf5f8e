import datetime

from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
METHOD_FIELD_NUMBER: _ClassVar[int]
method: _descriptor.FieldDescriptor
SERVICE_FIELD_NUMBER: _ClassVar[int]
service: _descriptor.FieldDescriptor
UPSTREAM_FIELD_NUMBER: _ClassVar[int]
upstream: _descriptor.FieldDescriptor
FIELD_FIELD_NUMBER: _ClassVar[int]
field: _descriptor.FieldDescriptor

class MethodPolicy(_message.Message):
    __slots__ = ("upstream", "deadline", "retry", "headers", "sizes", "errors", "stream", "idempotency", "json", "request")
    class Idempotency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        IDEMPOTENCY_UNSPECIFIED: _ClassVar[MethodPolicy.Idempotency]
        NO_SIDE_EFFECTS: _ClassVar[MethodPolicy.Idempotency]
        IDEMPOTENT: _ClassVar[MethodPolicy.Idempotency]
        NOT_IDEMPOTENT: _ClassVar[MethodPolicy.Idempotency]
    IDEMPOTENCY_UNSPECIFIED: MethodPolicy.Idempotency
    NO_SIDE_EFFECTS: MethodPolicy.Idempotency
    IDEMPOTENT: MethodPolicy.Idempotency
    NOT_IDEMPOTENT: MethodPolicy.Idempotency
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    deadline: DeadlinePolicy
    retry: RetryPolicy
    headers: HeaderPolicy
    sizes: SizePolicy
    errors: ErrorPolicy
    stream: StreamPolicy
    idempotency: MethodPolicy.Idempotency
    json: JsonPolicy
    request: RequestPolicy
    def __init__(self, upstream: _Optional[str] = ..., deadline: _Optional[_Union[DeadlinePolicy, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., headers: _Optional[_Union[HeaderPolicy, _Mapping]] = ..., sizes: _Optional[_Union[SizePolicy, _Mapping]] = ..., errors: _Optional[_Union[ErrorPolicy, _Mapping]] = ..., stream: _Optional[_Union[StreamPolicy, _Mapping]] = ..., idempotency: _Optional[_Union[MethodPolicy.Idempotency, str]] = ..., json: _Optional[_Union[JsonPolicy, _Mapping]] = ..., request: _Optional[_Union[RequestPolicy, _Mapping]] = ...) -> None: ...

class DeadlinePolicy(_message.Message):
    __slots__ = ("default", "maximum", "margin")
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    default: _duration_pb2.Duration
    maximum: _duration_pb2.Duration
    margin: _duration_pb2.Duration
    def __init__(self, default: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., maximum: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., margin: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("disabled", "max_attempts", "initial_backoff", "max_backoff", "backoff_multiplier", "jitter", "retryable_http_statuses", "per_attempt_timeout", "max_retry_after")
    class Jitter(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        JITTER_UNSPECIFIED: _ClassVar[RetryPolicy.Jitter]
        FULL: _ClassVar[RetryPolicy.Jitter]
        EQUAL: _ClassVar[RetryPolicy.Jitter]
        NONE: _ClassVar[RetryPolicy.Jitter]
        PROPORTIONAL: _ClassVar[RetryPolicy.Jitter]
        DECORRELATED: _ClassVar[RetryPolicy.Jitter]
    JITTER_UNSPECIFIED: RetryPolicy.Jitter
    FULL: RetryPolicy.Jitter
    EQUAL: RetryPolicy.Jitter
    NONE: RetryPolicy.Jitter
    PROPORTIONAL: RetryPolicy.Jitter
    DECORRELATED: RetryPolicy.Jitter
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_HTTP_STATUSES_FIELD_NUMBER: _ClassVar[int]
    PER_ATTEMPT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    max_attempts: int
    initial_backoff: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    backoff_multiplier: float
    jitter: RetryPolicy.Jitter
    retryable_http_statuses: _containers.RepeatedScalarFieldContainer[int]
    per_attempt_timeout: _duration_pb2.Duration
    max_retry_after: _duration_pb2.Duration
    def __init__(self, disabled: _Optional[bool] = ..., max_attempts: _Optional[int] = ..., initial_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backoff_multiplier: _Optional[float] = ..., jitter: _Optional[_Union[RetryPolicy.Jitter, str]] = ..., retryable_http_statuses: _Optional[_Iterable[int]] = ..., per_attempt_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HeaderPolicy(_message.Message):
    __slots__ = ("forward_request", "forward_response", "set", "request_fields", "response_fields")
    class SetEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class RequestFieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ResponseFieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FORWARD_REQUEST_FIELD_NUMBER: _ClassVar[int]
    FORWARD_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELDS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELDS_FIELD_NUMBER: _ClassVar[int]
    forward_request: _containers.RepeatedScalarFieldContainer[str]
    forward_response: _containers.RepeatedScalarFieldContainer[str]
    set: _containers.ScalarMap[str, str]
    request_fields: _containers.ScalarMap[str, str]
    response_fields: _containers.ScalarMap[str, str]
    def __init__(self, forward_request: _Optional[_Iterable[str]] = ..., forward_response: _Optional[_Iterable[str]] = ..., set: _Optional[_Mapping[str, str]] = ..., request_fields: _Optional[_Mapping[str, str]] = ..., response_fields: _Optional[_Mapping[str, str]] = ...) -> None: ...

class JsonPolicy(_message.Message):
    __slots__ = ("field_names", "values", "response_root", "response_field")
    class FieldNames(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FIELD_NAMES_UNSPECIFIED: _ClassVar[JsonPolicy.FieldNames]
        JSON_NAME: _ClassVar[JsonPolicy.FieldNames]
        PROTO_NAME: _ClassVar[JsonPolicy.FieldNames]
    FIELD_NAMES_UNSPECIFIED: JsonPolicy.FieldNames
    JSON_NAME: JsonPolicy.FieldNames
    PROTO_NAME: JsonPolicy.FieldNames
    FIELD_NAMES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ROOT_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_FIELD_NUMBER: _ClassVar[int]
    field_names: JsonPolicy.FieldNames
    values: FieldPolicy
    response_root: str
    response_field: str
    def __init__(self, field_names: _Optional[_Union[JsonPolicy.FieldNames, str]] = ..., values: _Optional[_Union[FieldPolicy, _Mapping]] = ..., response_root: _Optional[str] = ..., response_field: _Optional[str] = ...) -> None: ...

class FieldPolicy(_message.Message):
    __slots__ = ("strip_enum_prefix", "enum_case", "timestamps", "int64_as_numbers")
    class EnumCase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENUM_CASE_UNSPECIFIED: _ClassVar[FieldPolicy.EnumCase]
        AS_DECLARED: _ClassVar[FieldPolicy.EnumCase]
        LOWER_SNAKE: _ClassVar[FieldPolicy.EnumCase]
        LOWER_KEBAB: _ClassVar[FieldPolicy.EnumCase]
        LOWER_CAMEL: _ClassVar[FieldPolicy.EnumCase]
        PASCAL: _ClassVar[FieldPolicy.EnumCase]
    ENUM_CASE_UNSPECIFIED: FieldPolicy.EnumCase
    AS_DECLARED: FieldPolicy.EnumCase
    LOWER_SNAKE: FieldPolicy.EnumCase
    LOWER_KEBAB: FieldPolicy.EnumCase
    LOWER_CAMEL: FieldPolicy.EnumCase
    PASCAL: FieldPolicy.EnumCase
    class Timestamps(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TIMESTAMPS_UNSPECIFIED: _ClassVar[FieldPolicy.Timestamps]
        RFC3339: _ClassVar[FieldPolicy.Timestamps]
        EPOCH_SECONDS: _ClassVar[FieldPolicy.Timestamps]
        EPOCH_MILLISECONDS: _ClassVar[FieldPolicy.Timestamps]
    TIMESTAMPS_UNSPECIFIED: FieldPolicy.Timestamps
    RFC3339: FieldPolicy.Timestamps
    EPOCH_SECONDS: FieldPolicy.Timestamps
    EPOCH_MILLISECONDS: FieldPolicy.Timestamps
    STRIP_ENUM_PREFIX_FIELD_NUMBER: _ClassVar[int]
    ENUM_CASE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    INT64_AS_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    strip_enum_prefix: bool
    enum_case: FieldPolicy.EnumCase
    timestamps: FieldPolicy.Timestamps
    int64_as_numbers: bool
    def __init__(self, strip_enum_prefix: _Optional[bool] = ..., enum_case: _Optional[_Union[FieldPolicy.EnumCase, str]] = ..., timestamps: _Optional[_Union[FieldPolicy.Timestamps, str]] = ..., int64_as_numbers: _Optional[bool] = ...) -> None: ...

class RequestPolicy(_message.Message):
    __slots__ = ("body_format", "query")
    class BodyFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BODY_FORMAT_UNSPECIFIED: _ClassVar[RequestPolicy.BodyFormat]
        JSON: _ClassVar[RequestPolicy.BodyFormat]
        FORM: _ClassVar[RequestPolicy.BodyFormat]
    BODY_FORMAT_UNSPECIFIED: RequestPolicy.BodyFormat
    JSON: RequestPolicy.BodyFormat
    FORM: RequestPolicy.BodyFormat
    class QueryEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BODY_FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    body_format: RequestPolicy.BodyFormat
    query: _containers.ScalarMap[str, str]
    def __init__(self, body_format: _Optional[_Union[RequestPolicy.BodyFormat, str]] = ..., query: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SizePolicy(_message.Message):
    __slots__ = ("max_request_bytes", "max_response_bytes", "max_error_bytes", "max_json_depth", "max_url_bytes")
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ERROR_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_JSON_DEPTH_FIELD_NUMBER: _ClassVar[int]
    MAX_URL_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_request_bytes: int
    max_response_bytes: int
    max_error_bytes: int
    max_json_depth: int
    max_url_bytes: int
    def __init__(self, max_request_bytes: _Optional[int] = ..., max_response_bytes: _Optional[int] = ..., max_error_bytes: _Optional[int] = ..., max_json_depth: _Optional[int] = ..., max_url_bytes: _Optional[int] = ...) -> None: ...

class ErrorPolicy(_message.Message):
    __slots__ = ("status_codes",)
    class StatusCodesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    STATUS_CODES_FIELD_NUMBER: _ClassVar[int]
    status_codes: _containers.ScalarMap[int, str]
    def __init__(self, status_codes: _Optional[_Mapping[int, str]] = ...) -> None: ...

class StreamPolicy(_message.Message):
    __slots__ = ("format", "idle_timeout", "enveloped", "events", "end_of_stream", "requests")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[StreamPolicy.Format]
        NEWLINE_DELIMITED_JSON: _ClassVar[StreamPolicy.Format]
        SERVER_SENT_EVENTS: _ClassVar[StreamPolicy.Format]
        JSON_ARRAY: _ClassVar[StreamPolicy.Format]
        DETECT: _ClassVar[StreamPolicy.Format]
    FORMAT_UNSPECIFIED: StreamPolicy.Format
    NEWLINE_DELIMITED_JSON: StreamPolicy.Format
    SERVER_SENT_EVENTS: StreamPolicy.Format
    JSON_ARRAY: StreamPolicy.Format
    DETECT: StreamPolicy.Format
    class Requests(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REQUESTS_UNSPECIFIED: _ClassVar[StreamPolicy.Requests]
        ONE_EACH: _ClassVar[StreamPolicy.Requests]
        ONE_BODY: _ClassVar[StreamPolicy.Requests]
    REQUESTS_UNSPECIFIED: StreamPolicy.Requests
    ONE_EACH: StreamPolicy.Requests
    ONE_BODY: StreamPolicy.Requests
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ENVELOPED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    END_OF_STREAM_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    format: StreamPolicy.Format
    idle_timeout: _duration_pb2.Duration
    enveloped: bool
    events: _containers.RepeatedScalarFieldContainer[str]
    end_of_stream: str
    requests: StreamPolicy.Requests
    def __init__(self, format: _Optional[_Union[StreamPolicy.Format, str]] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., enveloped: _Optional[bool] = ..., events: _Optional[_Iterable[str]] = ..., end_of_stream: _Optional[str] = ..., requests: _Optional[_Union[StreamPolicy.Requests, str]] = ...) -> None: ...

class UpstreamPolicy(_message.Message):
    __slots__ = ("name", "url", "pool", "tls", "redirects")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    REDIRECTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    url: str
    pool: ConnectionPool
    tls: UpstreamTls
    redirects: RedirectPolicy
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ..., pool: _Optional[_Union[ConnectionPool, _Mapping]] = ..., tls: _Optional[_Union[UpstreamTls, _Mapping]] = ..., redirects: _Optional[_Union[RedirectPolicy, _Mapping]] = ...) -> None: ...

class RedirectPolicy(_message.Message):
    __slots__ = ("max_redirects",)
    MAX_REDIRECTS_FIELD_NUMBER: _ClassVar[int]
    max_redirects: int
    def __init__(self, max_redirects: _Optional[int] = ...) -> None: ...

class ConnectionPool(_message.Message):
    __slots__ = ("max_connections", "connect_timeout", "idle_timeout", "max_age", "max_header_bytes")
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_HEADER_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_connections: int
    connect_timeout: _duration_pb2.Duration
    idle_timeout: _duration_pb2.Duration
    max_age: _duration_pb2.Duration
    max_header_bytes: int
    def __init__(self, max_connections: _Optional[int] = ..., connect_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_header_bytes: _Optional[int] = ...) -> None: ...

class UpstreamTls(_message.Message):
    __slots__ = ("ca_file",)
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    ca_file: str
    def __init__(self, ca_file: _Optional[str] = ...) -> None: ...
