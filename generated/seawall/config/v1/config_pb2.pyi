import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from seawall.error.v1 import error_pb2 as _error_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GatewayConfig(_message.Message):
    __slots__ = ("listen", "ops_listen", "descriptor_set", "proto", "serve", "defaults", "upstreams", "services", "ceilings", "drain", "overload", "criticality", "admin", "identity", "listeners", "connections", "errors", "state", "rate_limit_service", "tracing")
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
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_SERVICE_FIELD_NUMBER: _ClassVar[int]
    TRACING_FIELD_NUMBER: _ClassVar[int]
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
    identity: Identity
    listeners: _containers.RepeatedCompositeFieldContainer[Listener]
    connections: Connections
    errors: ErrorCatalog
    state: State
    rate_limit_service: RateLimitService
    tracing: Tracing
    def __init__(self, listen: _Optional[str] = ..., ops_listen: _Optional[str] = ..., descriptor_set: _Optional[str] = ..., proto: _Optional[str] = ..., serve: _Optional[_Iterable[str]] = ..., defaults: _Optional[_Union[Defaults, _Mapping]] = ..., upstreams: _Optional[_Mapping[str, Upstream]] = ..., services: _Optional[_Mapping[str, Service]] = ..., ceilings: _Optional[_Union[Ceilings, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., overload: _Optional[_Union[Overload, _Mapping]] = ..., criticality: _Optional[_Union[CriticalityTrust, _Mapping]] = ..., admin: _Optional[_Union[Admin, _Mapping]] = ..., identity: _Optional[_Union[Identity, _Mapping]] = ..., listeners: _Optional[_Iterable[_Union[Listener, _Mapping]]] = ..., connections: _Optional[_Union[Connections, _Mapping]] = ..., errors: _Optional[_Union[ErrorCatalog, _Mapping]] = ..., state: _Optional[_Union[State, _Mapping]] = ..., rate_limit_service: _Optional[_Union[RateLimitService, _Mapping]] = ..., tracing: _Optional[_Union[Tracing, _Mapping]] = ...) -> None: ...

class Tracing(_message.Message):
    __slots__ = ("endpoint", "protocol", "headers", "ca_file", "sample_ratio", "failures", "service_name")
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PROTOCOL_UNSPECIFIED: _ClassVar[Tracing.Protocol]
        GRPC: _ClassVar[Tracing.Protocol]
        HTTP: _ClassVar[Tracing.Protocol]
    PROTOCOL_UNSPECIFIED: Tracing.Protocol
    GRPC: Tracing.Protocol
    HTTP: Tracing.Protocol
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATIO_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    SERVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    protocol: Tracing.Protocol
    headers: _containers.ScalarMap[str, str]
    ca_file: str
    sample_ratio: float
    failures: bool
    service_name: str
    def __init__(self, endpoint: _Optional[str] = ..., protocol: _Optional[_Union[Tracing.Protocol, str]] = ..., headers: _Optional[_Mapping[str, str]] = ..., ca_file: _Optional[str] = ..., sample_ratio: _Optional[float] = ..., failures: _Optional[bool] = ..., service_name: _Optional[str] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("providers",)
    class ProvidersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: IdentityProvider
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[IdentityProvider, _Mapping]] = ...) -> None: ...
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    providers: _containers.MessageMap[str, IdentityProvider]
    def __init__(self, providers: _Optional[_Mapping[str, IdentityProvider]] = ...) -> None: ...

class IdentityProvider(_message.Message):
    __slots__ = ("api_keys", "jwt", "certificates")
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    JWT_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    api_keys: ApiKeys
    jwt: Jwt
    certificates: ClientCertificates
    def __init__(self, api_keys: _Optional[_Union[ApiKeys, _Mapping]] = ..., jwt: _Optional[_Union[Jwt, _Mapping]] = ..., certificates: _Optional[_Union[ClientCertificates, _Mapping]] = ...) -> None: ...

class ApiKeys(_message.Message):
    __slots__ = ("metadata", "keys", "file")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    metadata: str
    keys: _containers.RepeatedCompositeFieldContainer[ApiKey]
    file: str
    def __init__(self, metadata: _Optional[str] = ..., keys: _Optional[_Iterable[_Union[ApiKey, _Mapping]]] = ..., file: _Optional[str] = ...) -> None: ...

class ApiKey(_message.Message):
    __slots__ = ("caller", "sha256", "roles", "expires")
    CALLER_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    caller: str
    sha256: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    expires: str
    def __init__(self, caller: _Optional[str] = ..., sha256: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., expires: _Optional[str] = ...) -> None: ...

class Jwt(_message.Message):
    __slots__ = ("issuer", "audiences", "jwks_file", "jwks_url", "algorithms", "leeway", "caller_claim", "roles_claim", "refresh_interval", "min_refresh_interval", "timeout", "max_tokens", "ca_file")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    JWKS_FILE_FIELD_NUMBER: _ClassVar[int]
    JWKS_URL_FIELD_NUMBER: _ClassVar[int]
    ALGORITHMS_FIELD_NUMBER: _ClassVar[int]
    LEEWAY_FIELD_NUMBER: _ClassVar[int]
    CALLER_CLAIM_FIELD_NUMBER: _ClassVar[int]
    ROLES_CLAIM_FIELD_NUMBER: _ClassVar[int]
    REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MIN_REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    audiences: _containers.RepeatedScalarFieldContainer[str]
    jwks_file: str
    jwks_url: str
    algorithms: _containers.RepeatedScalarFieldContainer[str]
    leeway: _duration_pb2.Duration
    caller_claim: str
    roles_claim: str
    refresh_interval: _duration_pb2.Duration
    min_refresh_interval: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    max_tokens: int
    ca_file: str
    def __init__(self, issuer: _Optional[str] = ..., audiences: _Optional[_Iterable[str]] = ..., jwks_file: _Optional[str] = ..., jwks_url: _Optional[str] = ..., algorithms: _Optional[_Iterable[str]] = ..., leeway: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., caller_claim: _Optional[str] = ..., roles_claim: _Optional[str] = ..., refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., min_refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_tokens: _Optional[int] = ..., ca_file: _Optional[str] = ...) -> None: ...

class ClientCertificates(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedCompositeFieldContainer[CertificateName]
    def __init__(self, names: _Optional[_Iterable[_Union[CertificateName, _Mapping]]] = ...) -> None: ...

class CertificateName(_message.Message):
    __slots__ = ("name", "roles")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ...) -> None: ...

class Listener(_message.Message):
    __slots__ = ("listen", "tls", "services", "auth", "providers", "trusted_hops")
    LISTEN_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    AUTH_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_HOPS_FIELD_NUMBER: _ClassVar[int]
    listen: str
    tls: ListenerTls
    services: _containers.RepeatedScalarFieldContainer[str]
    auth: _policy_pb2.AuthPolicy.Mode
    providers: _containers.RepeatedScalarFieldContainer[str]
    trusted_hops: int
    def __init__(self, listen: _Optional[str] = ..., tls: _Optional[_Union[ListenerTls, _Mapping]] = ..., services: _Optional[_Iterable[str]] = ..., auth: _Optional[_Union[_policy_pb2.AuthPolicy.Mode, str]] = ..., providers: _Optional[_Iterable[str]] = ..., trusted_hops: _Optional[int] = ...) -> None: ...

class ListenerTls(_message.Message):
    __slots__ = ("cert_file", "key_file", "client_ca_file", "min_version")
    CERT_FILE_FIELD_NUMBER: _ClassVar[int]
    KEY_FILE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CA_FILE_FIELD_NUMBER: _ClassVar[int]
    MIN_VERSION_FIELD_NUMBER: _ClassVar[int]
    cert_file: str
    key_file: str
    client_ca_file: str
    min_version: _policy_pb2.UpstreamTls.Version
    def __init__(self, cert_file: _Optional[str] = ..., key_file: _Optional[str] = ..., client_ca_file: _Optional[str] = ..., min_version: _Optional[_Union[_policy_pb2.UpstreamTls.Version, str]] = ...) -> None: ...

class Connections(_message.Message):
    __slots__ = ("max_connections", "max_concurrent_streams", "max_metadata_bytes", "min_ping_interval", "keepalive_interval", "keepalive_timeout", "max_age", "max_age_grace", "trusted_hops")
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_METADATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    MIN_PING_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    KEEPALIVE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    KEEPALIVE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_GRACE_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_HOPS_FIELD_NUMBER: _ClassVar[int]
    max_connections: int
    max_concurrent_streams: int
    max_metadata_bytes: int
    min_ping_interval: _duration_pb2.Duration
    keepalive_interval: _duration_pb2.Duration
    keepalive_timeout: _duration_pb2.Duration
    max_age: _duration_pb2.Duration
    max_age_grace: _duration_pb2.Duration
    trusted_hops: int
    def __init__(self, max_connections: _Optional[int] = ..., max_concurrent_streams: _Optional[int] = ..., max_metadata_bytes: _Optional[int] = ..., min_ping_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., keepalive_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., keepalive_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_age_grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., trusted_hops: _Optional[int] = ...) -> None: ...

class ErrorCatalog(_message.Message):
    __slots__ = ("domain", "reasons", "language")
    class ReasonsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _error_pb2.ErrorEntry
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_error_pb2.ErrorEntry, _Mapping]] = ...) -> None: ...
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    domain: str
    reasons: _containers.MessageMap[str, _error_pb2.ErrorEntry]
    language: str
    def __init__(self, domain: _Optional[str] = ..., reasons: _Optional[_Mapping[str, _error_pb2.ErrorEntry]] = ..., language: _Optional[str] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ("shared", "limit_timeout", "durable", "durable_timeout", "cache_timeout", "cache_max_bytes", "breaker_failures", "breaker_window", "workers")
    SHARED_FIELD_NUMBER: _ClassVar[int]
    LIMIT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    DURABLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CACHE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CACHE_MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FAILURES_FIELD_NUMBER: _ClassVar[int]
    BREAKER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    shared: str
    limit_timeout: _duration_pb2.Duration
    durable: str
    durable_timeout: _duration_pb2.Duration
    cache_timeout: _duration_pb2.Duration
    cache_max_bytes: int
    breaker_failures: int
    breaker_window: _duration_pb2.Duration
    workers: int
    def __init__(self, shared: _Optional[str] = ..., limit_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., durable: _Optional[str] = ..., durable_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cache_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cache_max_bytes: _Optional[int] = ..., breaker_failures: _Optional[int] = ..., breaker_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., workers: _Optional[int] = ...) -> None: ...

class RateLimitService(_message.Message):
    __slots__ = ("enabled", "domains")
    class DomainsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: RateLimitDomain
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[RateLimitDomain, _Mapping]] = ...) -> None: ...
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    domains: _containers.MessageMap[str, RateLimitDomain]
    def __init__(self, enabled: _Optional[bool] = ..., domains: _Optional[_Mapping[str, RateLimitDomain]] = ...) -> None: ...

class RateLimitDomain(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: _containers.RepeatedCompositeFieldContainer[DescriptorLimit]
    def __init__(self, limits: _Optional[_Iterable[_Union[DescriptorLimit, _Mapping]]] = ...) -> None: ...

class DescriptorLimit(_message.Message):
    __slots__ = ("name", "entries", "limit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    entries: _containers.RepeatedCompositeFieldContainer[DescriptorEntry]
    limit: _policy_pb2.RateLimit
    def __init__(self, name: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[DescriptorEntry, _Mapping]]] = ..., limit: _Optional[_Union[_policy_pb2.RateLimit, _Mapping]] = ...) -> None: ...

class DescriptorEntry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

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
