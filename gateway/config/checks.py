"""What a policy may not say, whoever says it: bounds and names, level by level.

Each check yields (field path, sentence); the caller knows the file and line.
"""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.unknown_fields import UnknownFieldSet
from seawall.config.v1.config_pb2 import Ceilings, GatewayConfig
from seawall.policy.v1.policy_pb2 import FieldPolicy, MethodPolicy, UpstreamPolicy

from gateway.config.url import url_mistake
from gateway.core.status import Code
from gateway.transcode.headers import check_header_name, check_header_value

Mistake = tuple[str, str]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KEYS = re.compile(r"[^.\s]+(\.[^.\s]+)*")
_MAY_BE_ZERO = frozenset(
    ("deadline.margin", "retry.initial_backoff", "retry.max_retry_after", "wait", "grace")
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
}
_NOT_MORE_THAN = (
    ("deadline", "default", "maximum"),
    ("retry", "initial_backoff", "max_backoff"),
)
_MAX_DURATION_S = 315_576_000_000  # google/protobuf/duration.proto: ten thousand years


def seconds(duration: Duration) -> float:
    """Return a Duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def method_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with a MethodPolicy."""
    yield from _walk(policy, "")
    for group, less, more in _NOT_MORE_THAN:
        said = getattr(policy, group)
        if said.HasField(less) and said.HasField(more):
            bound = seconds(getattr(said, more))
            if seconds(getattr(said, less)) > bound:
                yield f"{group}.{less}", f"is longer than {group}.{more}, which is {bound:g}s"
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
        elif field.enum_type is not None:
            if not value or value not in field.enum_type.values_by_number:
                names = ", ".join(v.name for v in field.enum_type.values if v.number)
                yield path, f"must be one of {names}, found {value}"
        elif path in _BOUNDS:
            low, high = _BOUNDS[path]
            if not low <= value <= high:
                yield path, f"must be {low} to {high}, found {value:g}"


def _duration(path: str, value: Duration) -> Iterator[Mistake]:
    value_s = seconds(value)
    if abs(value.nanos) > 999_999_999 or abs(value.seconds) > _MAX_DURATION_S:
        yield path, "is not a valid duration"
    elif value_s < 0 and path in _MAY_BE_ZERO:
        yield path, f"must be 0s or more, found {value_s:g}s"
    elif value_s <= 0 and path not in _MAY_BE_ZERO:
        yield path, f"must be more than 0s, found {value_s:g}s"
