"""What a policy may not say, whoever says it: bounds and names, level by level.

Each check yields (field path, sentence); the caller knows the file and line.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.unknown_fields import UnknownFieldSet
from seawall.config.v1.config_pb2 import Ceilings, GatewayConfig
from seawall.policy.v1.policy_pb2 import (
    BreakerPolicy,
    FieldPolicy,
    MethodPolicy,
    UpstreamPolicy,
)

from gateway.config.credentials import is_credential
from gateway.config.url import endpoint_mistake, url_mistake
from gateway.core.errors import Reason
from gateway.core.status import Code
from gateway.transcode.headers import check_header_name, check_header_value

Mistake = tuple[str, str]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KEYS = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_MAY_BE_ZERO = frozenset(
    (
        *("deadline.margin", "retry.initial_backoff", "retry.max_retry_after", "wait", "grace"),
        *("hedge.min_delay", "bulkhead.max_wait", "fan_out.reserve", "scatter.reserve"),
    )
)
"""Durations that may be 0s; no duration may be less."""
_BOUNDS: dict[str, tuple[float, float]] = {
    "retry.max_attempts": (1, 20),
    "retry.backoff_multiplier": (1, 100),
    "sizes.max_request_bytes": (1, 2**31 - 1),
    "sizes.max_response_bytes": (1, 2**31 - 1),
    "sizes.max_error_bytes": (1, 2**31 - 1),
    "sizes.max_json_depth": (1, 250),
    "sizes.max_url_bytes": (64, 64 * 1024),
    "pool.max_connections": (1, 65535),
    "pool.max_header_bytes": (1024, 1024 * 1024),
    "redirects.max_redirects": (0, 20),
    "hedge.quantile": (0.5, 0.9999),
    "hedge.max_hedges": (1, 5),
    "hedge.max_share": (0, 1),
    "breaker.consecutive_failures": (0, 100_000),
    "breaker.failure_rate": (0, 1),
    "breaker.slow_call_rate": (0, 1),
    "breaker.minimum_calls": (1, 100_000),
    "breaker.window_calls": (0, 100_000),
    "breaker.open_time_multiplier": (1, 100),
    "breaker.open_time_jitter": (0, 1),
    "breaker.probes": (1, 1000),
    "breaker.successes_to_close": (1, 1000),
    "breaker.max_keys": (1, 100_000),
    "serialize.max_queued": (1, 100_000),
    "serialize.max_keys": (1, 1_000_000),
    "scatter.max_parallel": (1, 1000),
    "scatter.max_items": (1, 100_000),
    "load_balancing.panic_threshold": (0, 1),
    "outlier_detection.consecutive_failures": (0, 100_000),
    "outlier_detection.failure_rate": (0, 1),
    "outlier_detection.minimum_calls": (1, 100_000),
    "outlier_detection.minimum_endpoints": (1, 256),
    "outlier_detection.max_ejected_share": (0, 1),
    "health_check.unhealthy_threshold": (1, 1000),
    "health_check.healthy_threshold": (1, 1000),
    "reachability.consecutive_failures": (1, 1000),
    "retry_budget.share": (0, 10),
    "retry_budget.min_per_second": (0, 100_000),
    "bulkhead.max_in_flight": (1, 65535),
    "bulkhead.max_queued": (0, 100_000),
    "adaptive_concurrency.min_limit": (1, 65535),
    "adaptive_concurrency.max_limit": (1, 65535),
    "adaptive_concurrency.initial_limit": (1, 65535),
    "adaptive_concurrency.latency_tolerance": (1.1, 100),
    "pacing.requests": (1, 1_000_000),
    "pacing.burst": (1, 1_000_000),
    "pacing.max_queued": (0, 1_000_000),
    "max_memory_share": (0.1, 1),
}
_NOT_MORE_THAN = (
    ("deadline", "default", "maximum"),
    ("retry", "initial_backoff", "max_backoff"),
    ("breaker", "open_time", "max_open_time"),
    ("outlier_detection", "base_ejection_time", "max_ejection_time"),
    ("adaptive_concurrency", "min_limit", "max_limit"),
    ("adaptive_concurrency", "initial_limit", "max_limit"),
)
"""Group of a policy; field of it that may not be more than another one."""
_MAX_ENDPOINTS = 256
_INDEX = re.compile(r"\[\d+\]")
_MAX_DURATION_S = 315_576_000_000  # google/protobuf/duration.proto: ten thousand years


def seconds(duration: Duration) -> float:
    """Return a Duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def method_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with a MethodPolicy."""
    yield from _walk(policy, "")
    yield from _in_order(policy)
    yield from _breaker_mistakes(policy.breaker)
    for i, name in enumerate(policy.fallback.on):
        if name not in Reason.__members__ and (name not in Code.__members__ or name == "OK"):
            yield f"fallback.on[{i}]", f"{name!r} is neither an error status of gRPC nor a reason"
    for i, status in enumerate(policy.retry.retryable_http_statuses):
        if not 400 <= status <= 599:
            yield f"retry.retryable_http_statuses[{i}]", f"must be 400 to 599, found {status}"
    for status, name in sorted(policy.errors.status_codes.items()):
        if not 300 <= status <= 599:
            yield f"errors.status_codes.{status}", "the HTTP status must be 300 to 599"
        if name not in Code.__members__ or name == "OK":
            yield f"errors.status_codes.{status}", f"{name!r} is not an error status of gRPC"
    for kind in ("forward_request", "forward_response"):
        for i, header in enumerate(getattr(policy.headers, kind)):
            if wrong := check_header_name(header):
                yield f"headers.{kind}[{i}]", wrong
    yield from _header_mistakes(policy)
    for name in ("response_root", "response_field"):
        said = getattr(policy.json, name)  # empty takes back what a more general level said
        if said and not _KEYS.fullmatch(said):
            yield f"json.{name}", "must be keys joined by dots"
    for key in sorted(policy.request.query):
        if not key:
            yield "request.query", "a parameter without a name"
    if policy.HasField("upstream"):
        yield from _name("upstream", policy.upstream)


def _in_order(policy: Any) -> Iterator[Mistake]:
    for group, less, more in _NOT_MORE_THAN:
        said = getattr(policy, group, None)
        if said is not None and said.HasField(less) and said.HasField(more):
            low, high = getattr(said, less), getattr(said, more)
            if isinstance(low, Duration):
                if seconds(low) > seconds(high):
                    bound = seconds(high)
                    yield f"{group}.{less}", f"is longer than {group}.{more}, which is {bound:g}s"
            elif low > high:
                yield f"{group}.{less}", f"is more than {group}.{more}, which is {high}"


def _breaker_mistakes(breaker: BreakerPolicy) -> Iterator[Mistake]:
    for i, status in enumerate(breaker.failure_http_statuses):
        if not 500 <= status <= 599:
            yield f"breaker.failure_http_statuses[{i}]", f"must be 500 to 599, found {status}"
    if breaker.key_metadata and breaker.key_field:
        yield "breaker.key_field", "breaker.key_metadata says another key; one of them must go"
    if breaker.key_field and not _KEYS.fullmatch(breaker.key_field):
        yield "breaker.key_field", f"{breaker.key_field!r} is not a field path"
    if breaker.key_metadata and (wrong := check_header_name(breaker.key_metadata, incoming=True)):
        yield "breaker.key_metadata", wrong
    for name in ("key_metadata", "key_field"):
        said = getattr(breaker, name)
        if is_credential(said):
            yield (
                f"breaker.{name}",
                f"{said!r} is a credential, and logs and seawall.admin.v1 show which key a "
                "breaker is for; name what may be shown",
            )


def _header_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    headers = policy.headers
    for kind in ("set", "request_fields", "response_fields"):
        seen: set[str] = set()
        for name in sorted(getattr(headers, kind)):
            if name.lower() in seen:
                yield f"headers.{kind}.{name}", "is given twice, in another case"
            seen.add(name.lower())
    for name, value in sorted(headers.set.items()):
        if wrong := check_header_name(name, fixed=True) or check_header_value(value):
            yield f"headers.set.{name}", wrong
    for kind in ("request_fields", "response_fields"):
        said = getattr(headers, kind)
        for name in sorted(said):
            incoming = kind == "response_fields"
            if wrong := check_header_name(name, incoming=incoming):
                yield f"headers.{kind}.{name}", wrong
            elif not _KEYS.fullmatch(said[name]):
                yield f"headers.{kind}.{name}", f"{said[name]!r} is not a field path"
    for name in sorted(headers.set):
        if name.lower() in {other.lower() for other in headers.request_fields}:
            yield f"headers.set.{name}", "is in headers.request_fields too; one of them must go"


def reference_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield references in proto options, where nobody follows them."""
    fixed = (("headers.set", policy.headers.set), ("request.query", policy.request.query))
    for path, values in fixed:
        for name in sorted(values):
            if "${" in values[name] or values[name].startswith("file:"):
                yield (
                    f"{path}.{name}",
                    "references are followed in YAML only, and reflection shows proto options "
                    "to every caller; say it in the configuration file",
                )


def field_mistakes(policy: FieldPolicy, kind: str) -> Iterator[Mistake]:
    """Yield what is wrong with the option of one field.

    Args:
        policy: the option.
        kind: what the field holds: "enum", "timestamps", "int64" or "" for anything else.
    """
    yield from _walk(policy, "")
    about = {
        "strip_enum_prefix": ("enum", "an enum"),
        "enum_case": ("enum", "an enum"),
        "timestamps": ("timestamps", "a google.protobuf.Timestamp"),
        "int64_as_numbers": ("int64", "a 64-bit integer"),
    }
    for field, _ in policy.ListFields():
        needed, what = about.get(field.name, (kind, ""))
        if needed != kind:
            yield field.name, f"says nothing about this field, which is not {what}"


def stream_mistakes(policy: MethodPolicy, method: MethodDescriptor) -> Iterator[Mistake]:
    """Yield what a method's own policy says of streams that it does not have."""
    if method.server_streaming and policy.headers.response_fields:
        yield "headers.response_fields", "the messages of a stream have no headers of their own"
    if not policy.HasField("stream"):
        return
    if not method.server_streaming:
        yield "stream", "the method does not answer with a stream"
    elif policy.stream.HasField("requests") and not method.client_streaming:
        yield "stream.requests", "the method takes no stream"


def upstream_mistakes(policy: UpstreamPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with an UpstreamPolicy."""
    yield from _walk(policy, "")
    if policy.HasField("name"):
        yield from _name("name", policy.name)
    if policy.HasField("url") and (wrong := url_mistake(policy.url)):
        yield "url", wrong
    if policy.tls.HasField("ca_file") and not policy.tls.ca_file:
        yield "tls.ca_file", "names no file"
    yield from _in_order(policy)
    yield from _breaker_mistakes(policy.breaker)
    for name in ("key_metadata", "key_field"):
        if getattr(policy.breaker, name):
            yield (
                f"breaker.{name}",
                "an upstream has one breaker; say it in the policy of its methods",
            )
    if policy.health_check.HasField("path") and not policy.health_check.path.startswith("/"):
        yield "health_check.path", 'must begin with "/"'
    if len(policy.endpoints) > _MAX_ENDPOINTS:
        yield "endpoints", f"at most {_MAX_ENDPOINTS}, found {len(policy.endpoints)}"
    for i, endpoint in enumerate(policy.endpoints):
        if wrong := endpoint_mistake(endpoint):
            yield f"endpoints[{i}]", wrong


def ceiling_mistakes(ceilings: Ceilings) -> Iterator[Mistake]:
    """Yield what is wrong with the ceilings."""
    yield from _walk(ceilings, "")
    for field, value in ceilings.ListFields():
        if field.message_type is None and value < 1:
            yield field.name, "must be at least 1"


def config_mistakes(config: GatewayConfig) -> Iterator[Mistake]:
    """Yield what is wrong with a configuration file, by the paths of its keys."""
    yield from _under("defaults.method", method_mistakes(config.defaults.method))
    yield from _under("defaults.upstream", upstream_mistakes(config.defaults.upstream))
    if config.defaults.upstream.HasField("name"):
        yield "defaults.upstream.name", "all upstreams cannot share one name"
    yield from _under("ceilings", ceiling_mistakes(config.ceilings))
    yield from _under("drain", _walk(config.drain, ""))
    yield from _under("overload", _walk(config.overload, ""))
    for i, network in enumerate(config.criticality.trusted_peers):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"criticality.trusted_peers[{i}]", str(error)
    for name in sorted(config.upstreams):
        upstream = config.upstreams[name]
        at = f"upstreams.{name}"
        yield from ((at, text) for _, text in _name(at, name))
        yield from _under(f"{at}.methods", method_mistakes(upstream.methods))
        yield from _under(f"{at}.policy", upstream_mistakes(upstream.policy))
        if upstream.HasField("url") and (wrong := url_mistake(upstream.url)):
            yield f"{at}.url", wrong
        if upstream.HasField("url") and upstream.policy.HasField("url"):
            yield f"{at}.policy.url", f"is given twice; {at}.url says it too"
        if upstream.policy.HasField("name"):
            yield f"{at}.policy.name", "the key is the name already; leave this out"
        if upstream.methods.HasField("upstream"):
            yield (
                f"{at}.methods.upstream",
                "these are the methods of this upstream; say it in `services` or `defaults`",
            )
    for name in sorted(config.services):
        service = config.services[name]
        at = f"services.{name}"
        yield from _under(f"{at}.policy", method_mistakes(service.policy))
        for method in sorted(service.methods):
            policy = service.methods[method]
            yield from _under(f"{at}.methods.{method}", method_mistakes(policy))


def _under(at: str, mistakes: Iterator[Mistake]) -> Iterator[Mistake]:
    return ((f"{at}.{path}", text) for path, text in mistakes)


def _name(path: str, name: str) -> Iterator[Mistake]:
    if not _NAME.fullmatch(name):
        yield path, f"{name!r} is not a name of letters, digits, '-' and '_'"


def _walk(message: Any, at: str) -> Iterator[Mistake]:
    """Yield what is wrong wherever it stands: durations, enums, bounds, unknown fields.

    YAML is read by the gateway's own descriptors; proto options were written by
    whatever version compiled them, so they can hold what this one does not know.
    """
    unknown: Any = UnknownFieldSet(message)
    for field in unknown:
        yield (
            at.rstrip(".") or message.DESCRIPTOR.name,
            f"holds field {field.field_number}, which this version of seawall does not know",
        )
    for field, value in message.ListFields():
        path = f"{at}{field.name}"
        kind = field.message_type
        if kind is not None and not field.is_repeated:
            if kind.full_name == "google.protobuf.Duration":
                yield from _duration(path, value)
            else:
                yield from _walk(value, f"{path}.")
        elif kind is not None and not kind.GetOptions().map_entry:
            for i, one in enumerate(value):
                yield from _walk(one, f"{path}[{i}].")
        elif field.enum_type is not None:
            if not value or value not in field.enum_type.values_by_number:
                names = ", ".join(v.name for v in field.enum_type.values if v.number)
                yield path, f"must be one of {names}, found {value}"
        elif path in _BOUNDS:
            low, high = _BOUNDS[path]
            if not low <= value <= high:  # nor is a number that is none
                yield path, f"must be {low} to {high}, found {value:g}"


def _duration(path: str, value: Duration) -> Iterator[Mistake]:
    value_s = seconds(value)
    zero = _INDEX.sub("", path) in _MAY_BE_ZERO
    if abs(value.nanos) > 999_999_999 or abs(value.seconds) > _MAX_DURATION_S:
        yield path, "is not a valid duration"
    elif value_s < 0 and zero:
        yield path, f"must be 0s or more, found {value_s:g}s"
    elif value_s <= 0 and not zero:
        yield path, f"must be more than 0s, found {value_s:g}s"
