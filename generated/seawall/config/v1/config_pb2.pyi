import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayConfig(_message.Message):
    __slots__ = ("listen", "ops_listen", "descriptor_set", "proto", "serve", "defaults", "upstreams", "services", "ceilings", "drain", "overload", "criticality", "admin")
    class UpstreamsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Upstream
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Upstream, _Mapping]] = ...) -> None: ...
    class ServicesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Service
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Service, _Mapping]] = ...) -> None: ...
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    OPS_LISTEN_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    PROTO_FIELD_NUMBER: _ClassVar[int]
    SERVE_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAMS_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    CEILINGS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    OVERLOAD_FIELD_NUMBER: _ClassVar[int]
    CRITICALITY_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    listen: str
    ops_listen: str
    descriptor_set: str
    proto: str
    serve: _containers.RepeatedScalarFieldContainer[str]
    defaults: Defaults
    upstreams: _containers.MessageMap[str, Upstream]
    services: _containers.MessageMap[str, Service]
    ceilings: Ceilings
    drain: Drain
    overload: Overload
    criticality: CriticalityTrust
    admin: Admin
    def __init__(self, listen: _Optional[str] = ..., ops_listen: _Optional[str] = ..., descriptor_set: _Optional[str] = ..., proto: _Optional[str] = ..., serve: _Optional[_Iterable[str]] = ..., defaults: _Optional[_Union[Defaults, _Mapping]] = ..., upstreams: _Optional[_Mapping[str, Upstream]] = ..., services: _Optional[_Mapping[str, Service]] = ..., ceilings: _Optional[_Union[Ceilings, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., overload: _Optional[_Union[Overload, _Mapping]] = ..., criticality: _Optional[_Union[CriticalityTrust, _Mapping]] = ..., admin: _Optional[_Union[Admin, _Mapping]] = ...) -> None: ...

class Overload(_message.Message):
    __slots__ = ("disabled", "max_loop_lag", "max_memory_share")
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    MAX_LOOP_LAG_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMORY_SHARE_FIELD_NUMBER: _ClassVar[int]
    disabled: bool
    max_loop_lag: _duration_pb2.Duration
    max_memory_share: float
    def __init__(self, disabled: _Optional[bool] = ..., max_loop_lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_memory_share: _Optional[float] = ...) -> None: ...

class CriticalityTrust(_message.Message):
    __slots__ = ("trusted_peers",)
    TRUSTED_PEERS_FIELD_NUMBER: _ClassVar[int]
    trusted_peers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, trusted_peers: _Optional[_Iterable[str]] = ...) -> None: ...

class Admin(_message.Message):
    __slots__ = ("enabled",)
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    def __init__(self, enabled: _Optional[bool] = ...) -> None: ...

class Defaults(_message.Message):
    __slots__ = ("method", "upstream")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    method: _policy_pb2.MethodPolicy
    upstream: _policy_pb2.UpstreamPolicy
    def __init__(self, method: _Optional[_Union[_policy_pb2.MethodPolicy, _Mapping]] = ..., upstream: _Optional[_Union[_policy_pb2.UpstreamPolicy, _Mapping]] = ...) -> None: ...

class Upstream(_message.Message):
    __slots__ = ("url", "policy", "methods")
    URL_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    url: str
    policy: _policy_pb2.UpstreamPolicy
    methods: _policy_pb2.MethodPolicy
    def __init__(self, url: _Optional[str] = ..., policy: _Optional[_Union[_policy_pb2.UpstreamPolicy, _Mapping]] = ..., methods: _Optional[_Union[_policy_pb2.MethodPolicy, _Mapping]] = ...) -> None: ...

class Service(_message.Message):
    __slots__ = ("policy", "methods")
    class MethodsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _policy_pb2.MethodPolicy
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_policy_pb2.MethodPolicy, _Mapping]] = ...) -> None: ...
    POLICY_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    policy: _policy_pb2.MethodPolicy
    methods: _containers.MessageMap[str, _policy_pb2.MethodPolicy]
    def __init__(self, policy: _Optional[_Union[_policy_pb2.MethodPolicy, _Mapping]] = ..., methods: _Optional[_Mapping[str, _policy_pb2.MethodPolicy]] = ...) -> None: ...

class Ceilings(_message.Message):
    __slots__ = ("deadline", "max_attempts", "max_backoff", "max_request_bytes", "max_response_bytes")
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_BYTES_FIELD_NUMBER: _ClassVar[int]
    deadline: _duration_pb2.Duration
    max_attempts: int
    max_backoff: _duration_pb2.Duration
    max_request_bytes: int
    max_response_bytes: int
    def __init__(self, deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_attempts: _Optional[int] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_request_bytes: _Optional[int] = ..., max_response_bytes: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("wait", "grace")
    WAIT_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    wait: _duration_pb2.Duration
    grace: _duration_pb2.Duration
    def __init__(self, wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
