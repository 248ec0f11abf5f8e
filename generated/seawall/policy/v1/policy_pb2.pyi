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

class Criticality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CRITICALITY_UNSPECIFIED: _ClassVar[Criticality]
    SHEDDABLE: _ClassVar[Criticality]
    SHEDDABLE_PLUS: _ClassVar[Criticality]
    CRITICAL: _ClassVar[Criticality]
    CRITICAL_PLUS: _ClassVar[Criticality]
CRITICALITY_UNSPECIFIED: Criticality
SHEDDABLE: Criticality
SHEDDABLE_PLUS: Criticality
CRITICAL: Criticality
CRITICAL_PLUS: Criticality
METHOD_FIELD_NUMBER: _ClassVar[int]
method: _descriptor.FieldDescriptor
SERVICE_FIELD_NUMBER: _ClassVar[int]
service: _descriptor.FieldDescriptor
UPSTREAM_FIELD_NUMBER: _ClassVar[int]
upstream: _descriptor.FieldDescriptor
FIELD_FIELD_NUMBER: _ClassVar[int]
field: _descriptor.FieldDescriptor

class MethodPolicy(_message.Message):
    __slots__ = ("upstream", "deadline", "retry", "headers", "sizes", "errors", "stream", "idempotency", "json", "request", "hedge", "breaker", "criticality", "fallback", "fan_out", "scatter", "serialize", "auth", "rate_limits", "validation", "webhook", "deduplication", "cache", "invalidation", "coalescing", "batch", "operation", "polling")
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
    class RateLimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: RateLimit
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[RateLimit, _Mapping]] = ...) -> None: ...
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
    HEDGE_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    CRITICALITY_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    FAN_OUT_FIELD_NUMBER: _ClassVar[int]
    SCATTER_FIELD_NUMBER: _ClassVar[int]
    SERIALIZE_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATION_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    INVALIDATION_FIELD_NUMBER: _ClassVar[int]
    COALESCING_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    POLLING_FIELD_NUMBER: _ClassVar[int]
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
    hedge: HedgePolicy
    breaker: BreakerPolicy
    criticality: Criticality
    fallback: FallbackPolicy
    fan_out: FanOutPolicy
    scatter: ScatterPolicy
    serialize: SerializePolicy
    auth: AuthPolicy
    rate_limits: _containers.MessageMap[str, RateLimit]
    validation: ValidationPolicy
    webhook: WebhookPolicy
    deduplication: DeduplicationPolicy
    cache: CachePolicy
    invalidation: InvalidationPolicy
    coalescing: CoalescingPolicy
    batch: BatchPolicy
    operation: OperationPolicy
    polling: PollingPolicy
    def __init__(self, upstream: _Optional[str] = ..., deadline: _Optional[_Union[DeadlinePolicy, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., headers: _Optional[_Union[HeaderPolicy, _Mapping]] = ..., sizes: _Optional[_Union[SizePolicy, _Mapping]] = ..., errors: _Optional[_Union[ErrorPolicy, _Mapping]] = ..., stream: _Optional[_Union[StreamPolicy, _Mapping]] = ..., idempotency: _Optional[_Union[MethodPolicy.Idempotency, str]] = ..., json: _Optional[_Union[JsonPolicy, _Mapping]] = ..., request: _Optional[_Union[RequestPolicy, _Mapping]] = ..., hedge: _Optional[_Union[HedgePolicy, _Mapping]] = ..., breaker: _Optional[_Union[BreakerPolicy, _Mapping]] = ..., criticality: _Optional[_Union[Criticality, str]] = ..., fallback: _Optional[_Union[FallbackPolicy, _Mapping]] = ..., fan_out: _Optional[_Union[FanOutPolicy, _Mapping]] = ..., scatter: _Optional[_Union[ScatterPolicy, _Mapping]] = ..., serialize: _Optional[_Union[SerializePolicy, _Mapping]] = ..., auth: _Optional[_Union[AuthPolicy, _Mapping]] = ..., rate_limits: _Optional[_Mapping[str, RateLimit]] = ..., validation: _Optional[_Union[ValidationPolicy, _Mapping]] = ..., webhook: _Optional[_Union[WebhookPolicy, _Mapping]] = ..., deduplication: _Optional[_Union[DeduplicationPolicy, _Mapping]] = ..., cache: _Optional[_Union[CachePolicy, _Mapping]] = ..., invalidation: _Optional[_Union[InvalidationPolicy, _Mapping]] = ..., coalescing: _Optional[_Union[CoalescingPolicy, _Mapping]] = ..., batch: _Optional[_Union[BatchPolicy, _Mapping]] = ..., operation: _Optional[_Union[OperationPolicy, _Mapping]] = ..., polling: _Optional[_Union[PollingPolicy, _Mapping]] = ...) -> None: ...

class DeduplicationPolicy(_message.Message):
    __slots__ = ("disabled", "metadata", "field", "required", "window", "fields", "across_callers", "retention", "in_flight", "replay", "on_unknown", "lookup", "header", "max_completion", "json_path")
    class InFlight(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        IN_FLIGHT_UNSPECIFIED: _ClassVar[DeduplicationPolicy.InFlight]
        WAIT: _ClassVar[DeduplicationPolicy.InFlight]
        ABORT: _ClassVar[DeduplicationPolicy.InFlight]
    IN_FLIGHT_UNSPECIFIED: DeduplicationPolicy.InFlight
    WAIT: DeduplicationPolicy.InFlight
    ABORT: DeduplicationPolicy.InFlight
    class Unknown(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN_UNSPECIFIED: _ClassVar[DeduplicationPolicy.Unknown]
        HOLD: _ClassVar[DeduplicationPolicy.Unknown]
        RESEND: _ClassVar[DeduplicationPolicy.Unknown]
        LOOKUP: _ClassVar[DeduplicationPolicy.Unknown]
    UNKNOWN_UNSPECIFIED: DeduplicationPolicy.Unknown
    HOLD: DeduplicationPolicy.Unknown
    RESEND: DeduplicationPolicy.Unknown
    LOOKUP: DeduplicationPolicy.Unknown
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ACROSS_CALLERS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    ON_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    LOOKUP_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    MAX_COMPLETION_FIELD_NUMBER: _ClassVar[int]
    JSON_PATH_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    metadata: str
    field: str
    required: bool
    window: _duration_pb2.Duration
    fields: _containers.RepeatedScalarFieldContainer[str]
    across_callers: bool
    retention: _duration_pb2.Duration
    in_flight: DeduplicationPolicy.InFlight
    replay: bool
    on_unknown: DeduplicationPolicy.Unknown
    lookup: LookupPolicy
    header: str
    max_completion: _duration_pb2.Duration
    json_path: str
    def __init__(self, disabled: _Optional[bool] = ..., metadata: _Optional[str] = ..., field: _Optional[str] = ..., required: _Optional[bool] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., fields: _Optional[_Iterable[str]] = ..., across_callers: _Optional[bool] = ..., retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., in_flight: _Optional[_Union[DeduplicationPolicy.InFlight, str]] = ..., replay: _Optional[bool] = ..., on_unknown: _Optional[_Union[DeduplicationPolicy.Unknown, str]] = ..., lookup: _Optional[_Union[LookupPolicy, _Mapping]] = ..., header: _Optional[str] = ..., max_completion: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., json_path: _Optional[str] = ...) -> None: ...

class LookupPolicy(_message.Message):
    __slots__ = ("method", "request", "found", "response")
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ResponseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    method: str
    request: _containers.ScalarMap[str, str]
    found: str
    response: _containers.ScalarMap[str, str]
    def __init__(self, method: _Optional[str] = ..., request: _Optional[_Mapping[str, str]] = ..., found: _Optional[str] = ..., response: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CachePolicy(_message.Message):
    __slots__ = ("disabled", "ttl", "ttl_field", "ttl_by", "stale_while_revalidate", "stale_if_error", "negative_ttl", "shared", "vary", "ignore_fields", "respect_headers", "tags", "jitter", "max_answer_bytes")
    class TtlByEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _duration_pb2.Duration
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_FIELD_NUMBER: _ClassVar[int]
    TTL_BY_FIELD_NUMBER: _ClassVar[int]
    STALE_WHILE_REVALIDATE_FIELD_NUMBER: _ClassVar[int]
    STALE_IF_ERROR_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_TTL_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    VARY_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FIELDS_FIELD_NUMBER: _ClassVar[int]
    RESPECT_HEADERS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    MAX_ANSWER_BYTES_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    ttl: _duration_pb2.Duration
    ttl_field: str
    ttl_by: _containers.MessageMap[str, _duration_pb2.Duration]
    stale_while_revalidate: _duration_pb2.Duration
    stale_if_error: _duration_pb2.Duration
    negative_ttl: _duration_pb2.Duration
    shared: bool
    vary: _containers.RepeatedScalarFieldContainer[str]
    ignore_fields: _containers.RepeatedScalarFieldContainer[str]
    respect_headers: bool
    tags: _containers.RepeatedScalarFieldContainer[str]
    jitter: float
    max_answer_bytes: int
    def __init__(self, disabled: _Optional[bool] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ttl_field: _Optional[str] = ..., ttl_by: _Optional[_Mapping[str, _duration_pb2.Duration]] = ..., stale_while_revalidate: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stale_if_error: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., negative_ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., shared: _Optional[bool] = ..., vary: _Optional[_Iterable[str]] = ..., ignore_fields: _Optional[_Iterable[str]] = ..., respect_headers: _Optional[bool] = ..., tags: _Optional[_Iterable[str]] = ..., jitter: _Optional[float] = ..., max_answer_bytes: _Optional[int] = ...) -> None: ...

class InvalidationPolicy(_message.Message):
    __slots__ = ("disabled", "tags")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, disabled: _Optional[bool] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class CoalescingPolicy(_message.Message):
    __slots__ = ("disabled", "window", "shared", "after_write", "max_flights")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    AFTER_WRITE_FIELD_NUMBER: _ClassVar[int]
    MAX_FLIGHTS_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    window: _duration_pb2.Duration
    shared: bool
    after_write: _containers.RepeatedScalarFieldContainer[str]
    max_flights: int
    def __init__(self, disabled: _Optional[bool] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., shared: _Optional[bool] = ..., after_write: _Optional[_Iterable[str]] = ..., max_flights: _Optional[int] = ...) -> None: ...

class BatchPolicy(_message.Message):
    __slots__ = ("disabled", "method", "key", "keys", "items", "item_key", "item", "response", "window", "max_keys", "shared")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEM_KEY_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MAX_KEYS_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    method: str
    key: str
    keys: str
    items: str
    item_key: str
    item: str
    response: str
    window: _duration_pb2.Duration
    max_keys: int
    shared: bool
    def __init__(self, disabled: _Optional[bool] = ..., method: _Optional[str] = ..., key: _Optional[str] = ..., keys: _Optional[str] = ..., items: _Optional[str] = ..., item_key: _Optional[str] = ..., item: _Optional[str] = ..., response: _Optional[str] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_keys: _Optional[int] = ..., shared: _Optional[bool] = ...) -> None: ...

class AuthPolicy(_message.Message):
    __slots__ = ("mode", "providers", "roles")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[AuthPolicy.Mode]
        REQUIRED: _ClassVar[AuthPolicy.Mode]
        OPTIONAL: _ClassVar[AuthPolicy.Mode]
        NONE: _ClassVar[AuthPolicy.Mode]
    MODE_UNSPECIFIED: AuthPolicy.Mode
    REQUIRED: AuthPolicy.Mode
    OPTIONAL: AuthPolicy.Mode
    NONE: AuthPolicy.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    mode: AuthPolicy.Mode
    providers: _containers.RepeatedScalarFieldContainer[str]
    roles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, mode: _Optional[_Union[AuthPolicy.Mode, str]] = ..., providers: _Optional[_Iterable[str]] = ..., roles: _Optional[_Iterable[str]] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("disabled", "requests", "per", "burst", "algorithm", "by", "shadow", "on_store_failure", "local_share", "max_keys")
    class Algorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ALGORITHM_UNSPECIFIED: _ClassVar[RateLimit.Algorithm]
        GCRA: _ClassVar[RateLimit.Algorithm]
        SLIDING_WINDOW: _ClassVar[RateLimit.Algorithm]
    ALGORITHM_UNSPECIFIED: RateLimit.Algorithm
    GCRA: RateLimit.Algorithm
    SLIDING_WINDOW: RateLimit.Algorithm
    class StoreFailure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STORE_FAILURE_UNSPECIFIED: _ClassVar[RateLimit.StoreFailure]
        OPEN: _ClassVar[RateLimit.StoreFailure]
        CLOSED: _ClassVar[RateLimit.StoreFailure]
        LOCAL_SHARE: _ClassVar[RateLimit.StoreFailure]
    STORE_FAILURE_UNSPECIFIED: RateLimit.StoreFailure
    OPEN: RateLimit.StoreFailure
    CLOSED: RateLimit.StoreFailure
    LOCAL_SHARE: RateLimit.StoreFailure
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    ON_STORE_FAILURE_FIELD_NUMBER: _ClassVar[int]
    LOCAL_SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_KEYS_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    requests: int
    per: _duration_pb2.Duration
    burst: int
    algorithm: RateLimit.Algorithm
    by: _containers.RepeatedScalarFieldContainer[str]
    shadow: bool
    on_store_failure: RateLimit.StoreFailure
    local_share: float
    max_keys: int
    def __init__(self, disabled: _Optional[bool] = ..., requests: _Optional[int] = ..., per: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., burst: _Optional[int] = ..., algorithm: _Optional[_Union[RateLimit.Algorithm, str]] = ..., by: _Optional[_Iterable[str]] = ..., shadow: _Optional[bool] = ..., on_store_failure: _Optional[_Union[RateLimit.StoreFailure, str]] = ..., local_share: _Optional[float] = ..., max_keys: _Optional[int] = ...) -> None: ...

class ValidationPolicy(_message.Message):
    __slots__ = ("disabled",)
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    def __init__(self, disabled: _Optional[bool] = ...) -> None: ...

class WebhookPolicy(_message.Message):
    __slots__ = ("disabled", "scheme", "body_field", "signature_metadata", "signature_field", "secrets", "tolerance", "encoding", "prefix", "timestamp_metadata", "timestamp_field", "max_remembered")
    class Scheme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SCHEME_UNSPECIFIED: _ClassVar[WebhookPolicy.Scheme]
        STRIPE: _ClassVar[WebhookPolicy.Scheme]
        HMAC_SHA256: _ClassVar[WebhookPolicy.Scheme]
    SCHEME_UNSPECIFIED: WebhookPolicy.Scheme
    STRIPE: WebhookPolicy.Scheme
    HMAC_SHA256: WebhookPolicy.Scheme
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENCODING_UNSPECIFIED: _ClassVar[WebhookPolicy.Encoding]
        HEX: _ClassVar[WebhookPolicy.Encoding]
        BASE64: _ClassVar[WebhookPolicy.Encoding]
    ENCODING_UNSPECIFIED: WebhookPolicy.Encoding
    HEX: WebhookPolicy.Encoding
    BASE64: WebhookPolicy.Encoding
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_METADATA_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_METADATA_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_FIELD_NUMBER: _ClassVar[int]
    MAX_REMEMBERED_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    scheme: WebhookPolicy.Scheme
    body_field: str
    signature_metadata: str
    signature_field: str
    secrets: _containers.RepeatedScalarFieldContainer[str]
    tolerance: _duration_pb2.Duration
    encoding: WebhookPolicy.Encoding
    prefix: str
    timestamp_metadata: str
    timestamp_field: str
    max_remembered: int
    def __init__(self, disabled: _Optional[bool] = ..., scheme: _Optional[_Union[WebhookPolicy.Scheme, str]] = ..., body_field: _Optional[str] = ..., signature_metadata: _Optional[str] = ..., signature_field: _Optional[str] = ..., secrets: _Optional[_Iterable[str]] = ..., tolerance: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., encoding: _Optional[_Union[WebhookPolicy.Encoding, str]] = ..., prefix: _Optional[str] = ..., timestamp_metadata: _Optional[str] = ..., timestamp_field: _Optional[str] = ..., max_remembered: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("disabled", "max_attempts", "initial_backoff", "max_backoff", "backoff_multiplier", "jitter", "retryable_http_statuses", "per_attempt_timeout", "max_retry_after", "pushback")
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
    PUSHBACK_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    max_attempts: int
    initial_backoff: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    backoff_multiplier: float
    jitter: RetryPolicy.Jitter
    retryable_http_statuses: _containers.RepeatedScalarFieldContainer[int]
    per_attempt_timeout: _duration_pb2.Duration
    max_retry_after: _duration_pb2.Duration
    pushback: bool
    def __init__(self, disabled: _Optional[bool] = ..., max_attempts: _Optional[int] = ..., initial_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backoff_multiplier: _Optional[float] = ..., jitter: _Optional[_Union[RetryPolicy.Jitter, str]] = ..., retryable_http_statuses: _Optional[_Iterable[int]] = ..., per_attempt_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pushback: _Optional[bool] = ...) -> None: ...

class HedgePolicy(_message.Message):
    __slots__ = ("disabled", "delay", "quantile", "min_delay", "max_hedges", "max_share")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_FIELD_NUMBER: _ClassVar[int]
    MIN_DELAY_FIELD_NUMBER: _ClassVar[int]
    MAX_HEDGES_FIELD_NUMBER: _ClassVar[int]
    MAX_SHARE_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    delay: _duration_pb2.Duration
    quantile: float
    min_delay: _duration_pb2.Duration
    max_hedges: int
    max_share: float
    def __init__(self, disabled: _Optional[bool] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., quantile: _Optional[float] = ..., min_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_hedges: _Optional[int] = ..., max_share: _Optional[float] = ...) -> None: ...

class BreakerPolicy(_message.Message):
    __slots__ = ("disabled", "consecutive_failures", "failure_rate", "slow_call_rate", "slow_call_duration", "minimum_calls", "window", "window_calls", "failure_http_statuses", "open_time", "open_time_multiplier", "max_open_time", "open_time_jitter", "probes", "successes_to_close", "probe_timeout", "mode", "key_metadata", "key_field", "max_keys")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[BreakerPolicy.Mode]
        AUTOMATIC: _ClassVar[BreakerPolicy.Mode]
        FORCED_OPEN: _ClassVar[BreakerPolicy.Mode]
        MONITOR_ONLY: _ClassVar[BreakerPolicy.Mode]
    MODE_UNSPECIFIED: BreakerPolicy.Mode
    AUTOMATIC: BreakerPolicy.Mode
    FORCED_OPEN: BreakerPolicy.Mode
    MONITOR_ONLY: BreakerPolicy.Mode
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_RATE_FIELD_NUMBER: _ClassVar[int]
    SLOW_CALL_RATE_FIELD_NUMBER: _ClassVar[int]
    SLOW_CALL_DURATION_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CALLS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    WINDOW_CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_HTTP_STATUSES_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    MAX_OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_JITTER_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_TO_CLOSE_FIELD_NUMBER: _ClassVar[int]
    PROBE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    KEY_METADATA_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_FIELD_NUMBER: _ClassVar[int]
    MAX_KEYS_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    consecutive_failures: int
    failure_rate: float
    slow_call_rate: float
    slow_call_duration: _duration_pb2.Duration
    minimum_calls: int
    window: _duration_pb2.Duration
    window_calls: int
    failure_http_statuses: _containers.RepeatedScalarFieldContainer[int]
    open_time: _duration_pb2.Duration
    open_time_multiplier: float
    max_open_time: _duration_pb2.Duration
    open_time_jitter: float
    probes: int
    successes_to_close: int
    probe_timeout: _duration_pb2.Duration
    mode: BreakerPolicy.Mode
    key_metadata: str
    key_field: str
    max_keys: int
    def __init__(self, disabled: _Optional[bool] = ..., consecutive_failures: _Optional[int] = ..., failure_rate: _Optional[float] = ..., slow_call_rate: _Optional[float] = ..., slow_call_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., minimum_calls: _Optional[int] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., window_calls: _Optional[int] = ..., failure_http_statuses: _Optional[_Iterable[int]] = ..., open_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., open_time_multiplier: _Optional[float] = ..., max_open_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., open_time_jitter: _Optional[float] = ..., probes: _Optional[int] = ..., successes_to_close: _Optional[int] = ..., probe_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., mode: _Optional[_Union[BreakerPolicy.Mode, str]] = ..., key_metadata: _Optional[str] = ..., key_field: _Optional[str] = ..., max_keys: _Optional[int] = ...) -> None: ...

class FallbackPolicy(_message.Message):
    __slots__ = ("disabled", "steps", "on", "primary_timeout")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    steps: _containers.RepeatedCompositeFieldContainer[FallbackStep]
    on: _containers.RepeatedScalarFieldContainer[str]
    primary_timeout: _duration_pb2.Duration
    def __init__(self, disabled: _Optional[bool] = ..., steps: _Optional[_Iterable[_Union[FallbackStep, _Mapping]]] = ..., on: _Optional[_Iterable[str]] = ..., primary_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class FallbackStep(_message.Message):
    __slots__ = ("method", "upstream", "answer", "name", "request", "response")
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ResponseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    method: str
    upstream: str
    answer: str
    name: str
    request: _containers.ScalarMap[str, str]
    response: _containers.ScalarMap[str, str]
    def __init__(self, method: _Optional[str] = ..., upstream: _Optional[str] = ..., answer: _Optional[str] = ..., name: _Optional[str] = ..., request: _Optional[_Mapping[str, str]] = ..., response: _Optional[_Mapping[str, str]] = ...) -> None: ...

class FanOutPolicy(_message.Message):
    __slots__ = ("branches", "quorum", "reserve")
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    RESERVE_FIELD_NUMBER: _ClassVar[int]
    branches: _containers.RepeatedCompositeFieldContainer[FanOutBranch]
    quorum: int
    reserve: _duration_pb2.Duration
    def __init__(self, branches: _Optional[_Iterable[_Union[FanOutBranch, _Mapping]]] = ..., quorum: _Optional[int] = ..., reserve: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class FanOutBranch(_message.Message):
    __slots__ = ("method", "field", "request", "need", "timeout")
    class Need(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NEED_UNSPECIFIED: _ClassVar[FanOutBranch.Need]
        REQUIRED: _ClassVar[FanOutBranch.Need]
        OPTIONAL: _ClassVar[FanOutBranch.Need]
        QUORUM: _ClassVar[FanOutBranch.Need]
    NEED_UNSPECIFIED: FanOutBranch.Need
    REQUIRED: FanOutBranch.Need
    OPTIONAL: FanOutBranch.Need
    QUORUM: FanOutBranch.Need
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NEED_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    method: str
    field: str
    request: _containers.ScalarMap[str, str]
    need: FanOutBranch.Need
    timeout: _duration_pb2.Duration
    def __init__(self, method: _Optional[str] = ..., field: _Optional[str] = ..., request: _Optional[_Mapping[str, str]] = ..., need: _Optional[_Union[FanOutBranch.Need, str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., **kwargs) -> None: ...

class ScatterPolicy(_message.Message):
    __slots__ = ("method", "items", "results", "request", "result", "status", "max_parallel", "item_timeout", "max_items", "reserve")
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLEL_FIELD_NUMBER: _ClassVar[int]
    ITEM_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    RESERVE_FIELD_NUMBER: _ClassVar[int]
    method: str
    items: str
    results: str
    request: _containers.ScalarMap[str, str]
    result: str
    status: str
    max_parallel: int
    item_timeout: _duration_pb2.Duration
    max_items: int
    reserve: _duration_pb2.Duration
    def __init__(self, method: _Optional[str] = ..., items: _Optional[str] = ..., results: _Optional[str] = ..., request: _Optional[_Mapping[str, str]] = ..., result: _Optional[str] = ..., status: _Optional[str] = ..., max_parallel: _Optional[int] = ..., item_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_items: _Optional[int] = ..., reserve: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SerializePolicy(_message.Message):
    __slots__ = ("disabled", "field", "max_queued", "max_keys", "across_processes")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_FIELD_NUMBER: _ClassVar[int]
    MAX_KEYS_FIELD_NUMBER: _ClassVar[int]
    ACROSS_PROCESSES_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    field: str
    max_queued: int
    max_keys: int
    across_processes: bool
    def __init__(self, disabled: _Optional[bool] = ..., field: _Optional[str] = ..., max_queued: _Optional[int] = ..., max_keys: _Optional[int] = ..., across_processes: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("status_codes", "rules")
    class StatusCodesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    STATUS_CODES_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    status_codes: _containers.ScalarMap[int, str]
    rules: _containers.RepeatedCompositeFieldContainer[ErrorRule]
    def __init__(self, status_codes: _Optional[_Mapping[int, str]] = ..., rules: _Optional[_Iterable[_Union[ErrorRule, _Mapping]]] = ...) -> None: ...

class ErrorRule(_message.Message):
    __slots__ = ("http_statuses", "body", "on", "reason")
    class BodyEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HTTP_STATUSES_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    http_statuses: _containers.RepeatedScalarFieldContainer[int]
    body: _containers.ScalarMap[str, str]
    on: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    def __init__(self, http_statuses: _Optional[_Iterable[int]] = ..., body: _Optional[_Mapping[str, str]] = ..., on: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("name", "url", "pool", "tls", "redirects", "endpoints", "discovery", "load_balancing", "outlier_detection", "health_check", "reachability", "breaker", "retry_budget", "bulkhead", "adaptive_concurrency", "pacing", "credentials")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    REDIRECTS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    DISCOVERY_FIELD_NUMBER: _ClassVar[int]
    LOAD_BALANCING_FIELD_NUMBER: _ClassVar[int]
    OUTLIER_DETECTION_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    REACHABILITY_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    RETRY_BUDGET_FIELD_NUMBER: _ClassVar[int]
    BULKHEAD_FIELD_NUMBER: _ClassVar[int]
    ADAPTIVE_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    PACING_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    name: str
    url: str
    pool: ConnectionPool
    tls: UpstreamTls
    redirects: RedirectPolicy
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    discovery: DiscoveryPolicy
    load_balancing: LoadBalancingPolicy
    outlier_detection: OutlierPolicy
    health_check: HealthCheckPolicy
    reachability: ReachabilityPolicy
    breaker: BreakerPolicy
    retry_budget: RetryBudgetPolicy
    bulkhead: BulkheadPolicy
    adaptive_concurrency: AdaptiveConcurrencyPolicy
    pacing: PacingPolicy
    credentials: UpstreamCredentials
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ..., pool: _Optional[_Union[ConnectionPool, _Mapping]] = ..., tls: _Optional[_Union[UpstreamTls, _Mapping]] = ..., redirects: _Optional[_Union[RedirectPolicy, _Mapping]] = ..., endpoints: _Optional[_Iterable[str]] = ..., discovery: _Optional[_Union[DiscoveryPolicy, _Mapping]] = ..., load_balancing: _Optional[_Union[LoadBalancingPolicy, _Mapping]] = ..., outlier_detection: _Optional[_Union[OutlierPolicy, _Mapping]] = ..., health_check: _Optional[_Union[HealthCheckPolicy, _Mapping]] = ..., reachability: _Optional[_Union[ReachabilityPolicy, _Mapping]] = ..., breaker: _Optional[_Union[BreakerPolicy, _Mapping]] = ..., retry_budget: _Optional[_Union[RetryBudgetPolicy, _Mapping]] = ..., bulkhead: _Optional[_Union[BulkheadPolicy, _Mapping]] = ..., adaptive_concurrency: _Optional[_Union[AdaptiveConcurrencyPolicy, _Mapping]] = ..., pacing: _Optional[_Union[PacingPolicy, _Mapping]] = ..., credentials: _Optional[_Union[UpstreamCredentials, _Mapping]] = ...) -> None: ...

class UpstreamCredentials(_message.Message):
    __slots__ = ("caller", "bearer_token", "basic", "headers", "oauth2")
    class Caller(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CALLER_UNSPECIFIED: _ClassVar[UpstreamCredentials.Caller]
        FORWARD: _ClassVar[UpstreamCredentials.Caller]
        STRIP: _ClassVar[UpstreamCredentials.Caller]
        EXCHANGE: _ClassVar[UpstreamCredentials.Caller]
    CALLER_UNSPECIFIED: UpstreamCredentials.Caller
    FORWARD: UpstreamCredentials.Caller
    STRIP: UpstreamCredentials.Caller
    EXCHANGE: UpstreamCredentials.Caller
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CALLER_FIELD_NUMBER: _ClassVar[int]
    BEARER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BASIC_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    OAUTH2_FIELD_NUMBER: _ClassVar[int]
    caller: UpstreamCredentials.Caller
    bearer_token: str
    basic: BasicCredentials
    headers: _containers.ScalarMap[str, str]
    oauth2: OAuth2Credentials
    def __init__(self, caller: _Optional[_Union[UpstreamCredentials.Caller, str]] = ..., bearer_token: _Optional[str] = ..., basic: _Optional[_Union[BasicCredentials, _Mapping]] = ..., headers: _Optional[_Mapping[str, str]] = ..., oauth2: _Optional[_Union[OAuth2Credentials, _Mapping]] = ...) -> None: ...

class BasicCredentials(_message.Message):
    __slots__ = ("username", "password")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class OAuth2Credentials(_message.Message):
    __slots__ = ("token_url", "client_id", "client_secret", "scopes", "audience", "timeout", "max_tokens")
    TOKEN_URL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    token_url: str
    client_id: str
    client_secret: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    audience: str
    timeout: _duration_pb2.Duration
    max_tokens: int
    def __init__(self, token_url: _Optional[str] = ..., client_id: _Optional[str] = ..., client_secret: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., audience: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_tokens: _Optional[int] = ...) -> None: ...

class DiscoveryPolicy(_message.Message):
    __slots__ = ("mode", "refresh_interval")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[DiscoveryPolicy.Mode]
        LOGICAL: _ClassVar[DiscoveryPolicy.Mode]
        ADDRESSES: _ClassVar[DiscoveryPolicy.Mode]
    MODE_UNSPECIFIED: DiscoveryPolicy.Mode
    LOGICAL: DiscoveryPolicy.Mode
    ADDRESSES: DiscoveryPolicy.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    mode: DiscoveryPolicy.Mode
    refresh_interval: _duration_pb2.Duration
    def __init__(self, mode: _Optional[_Union[DiscoveryPolicy.Mode, str]] = ..., refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LoadBalancingPolicy(_message.Message):
    __slots__ = ("policy", "panic_threshold")
    class Policy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        POLICY_UNSPECIFIED: _ClassVar[LoadBalancingPolicy.Policy]
        LEAST_REQUEST: _ClassVar[LoadBalancingPolicy.Policy]
        PEAK_EWMA: _ClassVar[LoadBalancingPolicy.Policy]
    POLICY_UNSPECIFIED: LoadBalancingPolicy.Policy
    LEAST_REQUEST: LoadBalancingPolicy.Policy
    PEAK_EWMA: LoadBalancingPolicy.Policy
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PANIC_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    policy: LoadBalancingPolicy.Policy
    panic_threshold: float
    def __init__(self, policy: _Optional[_Union[LoadBalancingPolicy.Policy, str]] = ..., panic_threshold: _Optional[float] = ...) -> None: ...

class OutlierPolicy(_message.Message):
    __slots__ = ("disabled", "consecutive_failures", "failure_rate", "minimum_calls", "minimum_endpoints", "interval", "base_ejection_time", "max_ejection_time", "max_ejected_share")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_RATE_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_CALLS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BASE_EJECTION_TIME_FIELD_NUMBER: _ClassVar[int]
    MAX_EJECTION_TIME_FIELD_NUMBER: _ClassVar[int]
    MAX_EJECTED_SHARE_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    consecutive_failures: int
    failure_rate: float
    minimum_calls: int
    minimum_endpoints: int
    interval: _duration_pb2.Duration
    base_ejection_time: _duration_pb2.Duration
    max_ejection_time: _duration_pb2.Duration
    max_ejected_share: float
    def __init__(self, disabled: _Optional[bool] = ..., consecutive_failures: _Optional[int] = ..., failure_rate: _Optional[float] = ..., minimum_calls: _Optional[int] = ..., minimum_endpoints: _Optional[int] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., base_ejection_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_ejection_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_ejected_share: _Optional[float] = ...) -> None: ...

class HealthCheckPolicy(_message.Message):
    __slots__ = ("disabled", "path", "interval", "timeout", "unhealthy_threshold", "healthy_threshold")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNHEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    path: str
    interval: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    unhealthy_threshold: int
    healthy_threshold: int
    def __init__(self, disabled: _Optional[bool] = ..., path: _Optional[str] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unhealthy_threshold: _Optional[int] = ..., healthy_threshold: _Optional[int] = ...) -> None: ...

class ReachabilityPolicy(_message.Message):
    __slots__ = ("disabled", "consecutive_failures", "probe_interval")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    PROBE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    consecutive_failures: int
    probe_interval: _duration_pb2.Duration
    def __init__(self, disabled: _Optional[bool] = ..., consecutive_failures: _Optional[int] = ..., probe_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RetryBudgetPolicy(_message.Message):
    __slots__ = ("disabled", "share", "min_per_second", "window")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    MIN_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    share: float
    min_per_second: float
    window: _duration_pb2.Duration
    def __init__(self, disabled: _Optional[bool] = ..., share: _Optional[float] = ..., min_per_second: _Optional[float] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BulkheadPolicy(_message.Message):
    __slots__ = ("disabled", "max_in_flight", "max_queued", "max_wait")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_FIELD_NUMBER: _ClassVar[int]
    MAX_WAIT_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    max_in_flight: int
    max_queued: int
    max_wait: _duration_pb2.Duration
    def __init__(self, disabled: _Optional[bool] = ..., max_in_flight: _Optional[int] = ..., max_queued: _Optional[int] = ..., max_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AdaptiveConcurrencyPolicy(_message.Message):
    __slots__ = ("disabled", "min_limit", "max_limit", "initial_limit", "latency_tolerance", "slow_start")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    MIN_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_LIMIT_FIELD_NUMBER: _ClassVar[int]
    INITIAL_LIMIT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    SLOW_START_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    min_limit: int
    max_limit: int
    initial_limit: int
    latency_tolerance: float
    slow_start: bool
    def __init__(self, disabled: _Optional[bool] = ..., min_limit: _Optional[int] = ..., max_limit: _Optional[int] = ..., initial_limit: _Optional[int] = ..., latency_tolerance: _Optional[float] = ..., slow_start: _Optional[bool] = ...) -> None: ...

class PacingPolicy(_message.Message):
    __slots__ = ("disabled", "requests", "per", "burst", "max_queued", "learn")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    PER_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_FIELD_NUMBER: _ClassVar[int]
    LEARN_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    requests: int
    per: _duration_pb2.Duration
    burst: int
    max_queued: int
    learn: bool
    def __init__(self, disabled: _Optional[bool] = ..., requests: _Optional[int] = ..., per: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., burst: _Optional[int] = ..., max_queued: _Optional[int] = ..., learn: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("ca_file", "cert_file", "key_file", "server_name", "min_version")
    class Version(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VERSION_UNSPECIFIED: _ClassVar[UpstreamTls.Version]
        TLS_1_2: _ClassVar[UpstreamTls.Version]
        TLS_1_3: _ClassVar[UpstreamTls.Version]
    VERSION_UNSPECIFIED: UpstreamTls.Version
    TLS_1_2: UpstreamTls.Version
    TLS_1_3: UpstreamTls.Version
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    CERT_FILE_FIELD_NUMBER: _ClassVar[int]
    KEY_FILE_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    ca_file: str
    cert_file: str
    key_file: str
    server_name: str
    min_version: UpstreamTls.Version
    def __init__(self, ca_file: _Optional[str] = ..., cert_file: _Optional[str] = ..., key_file: _Optional[str] = ..., server_name: _Optional[str] = ..., min_version: _Optional[_Union[UpstreamTls.Version, str]] = ...) -> None: ...

class OperationPolicy(_message.Message):
    __slots__ = ("disabled", "max_attempts", "initial_delay", "delay_multiplier", "max_delay", "attempt_timeout", "order_by", "steps", "poll", "accepted_in", "retention", "max_pending", "total_timeout")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_DELAY_FIELD_NUMBER: _ClassVar[int]
    DELAY_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    POLL_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_IN_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    MAX_PENDING_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    max_attempts: int
    initial_delay: _duration_pb2.Duration
    delay_multiplier: float
    max_delay: _duration_pb2.Duration
    attempt_timeout: _duration_pb2.Duration
    order_by: str
    steps: _containers.RepeatedCompositeFieldContainer[OperationStep]
    poll: OperationPoll
    accepted_in: str
    retention: _duration_pb2.Duration
    max_pending: int
    total_timeout: _duration_pb2.Duration
    def __init__(self, disabled: _Optional[bool] = ..., max_attempts: _Optional[int] = ..., initial_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., delay_multiplier: _Optional[float] = ..., max_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., attempt_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., order_by: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[OperationStep, _Mapping]]] = ..., poll: _Optional[_Union[OperationPoll, _Mapping]] = ..., accepted_in: _Optional[str] = ..., retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_pending: _Optional[int] = ..., total_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class OperationStep(_message.Message):
    __slots__ = ("method", "request", "name")
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    method: str
    request: _containers.ScalarMap[str, str]
    name: str
    def __init__(self, method: _Optional[str] = ..., request: _Optional[_Mapping[str, str]] = ..., name: _Optional[str] = ...) -> None: ...

class OperationPoll(_message.Message):
    __slots__ = ("path", "interval", "state", "succeeded", "failed", "result")
    PATH_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    path: str
    interval: _duration_pb2.Duration
    state: str
    succeeded: _containers.RepeatedScalarFieldContainer[str]
    failed: _containers.RepeatedScalarFieldContainer[str]
    result: str
    def __init__(self, path: _Optional[str] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[str] = ..., succeeded: _Optional[_Iterable[str]] = ..., failed: _Optional[_Iterable[str]] = ..., result: _Optional[str] = ...) -> None: ...

class PollingPolicy(_message.Message):
    __slots__ = ("disabled", "method", "request", "response", "interval", "on_change", "max_failures", "max_polls")
    class RequestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ResponseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    ON_CHANGE_FIELD_NUMBER: _ClassVar[int]
    MAX_FAILURES_FIELD_NUMBER: _ClassVar[int]
    MAX_POLLS_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    method: str
    request: _containers.ScalarMap[str, str]
    response: _containers.ScalarMap[str, str]
    interval: _duration_pb2.Duration
    on_change: bool
    max_failures: int
    max_polls: int
    def __init__(self, disabled: _Optional[bool] = ..., method: _Optional[str] = ..., request: _Optional[_Mapping[str, str]] = ..., response: _Optional[_Mapping[str, str]] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., on_change: _Optional[bool] = ..., max_failures: _Optional[int] = ..., max_polls: _Optional[int] = ...) -> None: ...
