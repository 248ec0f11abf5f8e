import datetime

from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListUnknownCallsRequest(_message.Message):
    __slots__ = ("method", "page_size", "page_token")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    method: str
    page_size: int
    page_token: str
    def __init__(self, method: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListUnknownCallsResponse(_message.Message):
    __slots__ = ("calls", "next_page_token")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[UnknownCall]
    next_page_token: str
    def __init__(self, calls: _Optional[_Iterable[_Union[UnknownCall, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UnknownCall(_message.Message):
    __slots__ = ("name", "method", "claims", "age", "unknown_for", "kept_for")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FOR_FIELD_NUMBER: _ClassVar[int]
    KEPT_FOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    method: str
    claims: int
    age: _duration_pb2.Duration
    unknown_for: _duration_pb2.Duration
    kept_for: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., method: _Optional[str] = ..., claims: _Optional[int] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unknown_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., kept_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ResolveUnknownCallRequest(_message.Message):
    __slots__ = ("name", "response", "had_no_effect")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    HAD_NO_EFFECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    response: _any_pb2.Any
    had_no_effect: _empty_pb2.Empty
    def __init__(self, name: _Optional[str] = ..., response: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., had_no_effect: _Optional[_Union[_empty_pb2.Empty, _Mapping]] = ...) -> None: ...

class ResolveUnknownCallResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RetryOperationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class PurgeCacheRequest(_message.Message):
    __slots__ = ("tags", "all")
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedScalarFieldContainer[str]
    all: bool
    def __init__(self, tags: _Optional[_Iterable[str]] = ..., all: _Optional[bool] = ...) -> None: ...

class PurgeCacheResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListUpstreamsRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class ListUpstreamsResponse(_message.Message):
    __slots__ = ("upstreams",)
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    upstreams: _containers.RepeatedCompositeFieldContainer[Upstream]
    def __init__(self, upstreams: _Optional[_Iterable[_Union[Upstream, _Mapping]]] = ...) -> None: ...

class Upstream(_message.Message):
    __slots__ = ("name", "reachable", "endpoints", "breakers", "concurrency", "retry_budget", "pacing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    BREAKERS_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    RETRY_BUDGET_FIELD_NUMBER: _ClassVar[int]
    PACING_FIELD_NUMBER: _ClassVar[int]
    name: str
    reachable: bool
    endpoints: _containers.RepeatedCompositeFieldContainer[Endpoint]
    breakers: _containers.RepeatedCompositeFieldContainer[Breaker]
    concurrency: Concurrency
    retry_budget: RetryBudget
    pacing: Pacing
    def __init__(self, name: _Optional[str] = ..., reachable: _Optional[bool] = ..., endpoints: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., breakers: _Optional[_Iterable[_Union[Breaker, _Mapping]]] = ..., concurrency: _Optional[_Union[Concurrency, _Mapping]] = ..., retry_budget: _Optional[_Union[RetryBudget, _Mapping]] = ..., pacing: _Optional[_Union[Pacing, _Mapping]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("address", "state", "in_flight", "latency")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Endpoint.State]
        STATE_HEALTHY: _ClassVar[Endpoint.State]
        STATE_EJECTED: _ClassVar[Endpoint.State]
        STATE_UNHEALTHY: _ClassVar[Endpoint.State]
        STATE_UNREACHABLE: _ClassVar[Endpoint.State]
    STATE_UNSPECIFIED: Endpoint.State
    STATE_HEALTHY: Endpoint.State
    STATE_EJECTED: Endpoint.State
    STATE_UNHEALTHY: Endpoint.State
    STATE_UNREACHABLE: Endpoint.State
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    address: str
    state: Endpoint.State
    in_flight: int
    latency: _duration_pb2.Duration
    def __init__(self, address: _Optional[str] = ..., state: _Optional[_Union[Endpoint.State, str]] = ..., in_flight: _Optional[int] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Breaker(_message.Message):
    __slots__ = ("name", "state", "opens_for", "calls", "failures", "consecutive_failures")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Breaker.State]
        STATE_CLOSED: _ClassVar[Breaker.State]
        STATE_OPEN: _ClassVar[Breaker.State]
        STATE_HALF_OPEN: _ClassVar[Breaker.State]
        STATE_FORCED_OPEN: _ClassVar[Breaker.State]
        STATE_MONITOR_ONLY: _ClassVar[Breaker.State]
    STATE_UNSPECIFIED: Breaker.State
    STATE_CLOSED: Breaker.State
    STATE_OPEN: Breaker.State
    STATE_HALF_OPEN: Breaker.State
    STATE_FORCED_OPEN: Breaker.State
    STATE_MONITOR_ONLY: Breaker.State
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OPENS_FOR_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Breaker.State
    opens_for: _duration_pb2.Duration
    calls: int
    failures: int
    consecutive_failures: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Breaker.State, str]] = ..., opens_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., calls: _Optional[int] = ..., failures: _Optional[int] = ..., consecutive_failures: _Optional[int] = ...) -> None: ...

class Concurrency(_message.Message):
    __slots__ = ("limit", "in_flight", "queued")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    limit: int
    in_flight: int
    queued: int
    def __init__(self, limit: _Optional[int] = ..., in_flight: _Optional[int] = ..., queued: _Optional[int] = ...) -> None: ...

class RetryBudget(_message.Message):
    __slots__ = ("remaining",)
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    remaining: float
    def __init__(self, remaining: _Optional[float] = ...) -> None: ...

class Pacing(_message.Message):
    __slots__ = ("requests_per_second", "queued", "learned")
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    LEARNED_FIELD_NUMBER: _ClassVar[int]
    requests_per_second: float
    queued: int
    learned: bool
    def __init__(self, requests_per_second: _Optional[float] = ..., queued: _Optional[int] = ..., learned: _Optional[bool] = ...) -> None: ...
