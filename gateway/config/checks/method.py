"""What a MethodPolicy may not say, whoever says it.

Each check yields (field path, sentence); the caller knows the file and line.
"""

from collections.abc import Iterator

from google.protobuf.descriptor import MethodDescriptor
from seawall.policy.v1.policy_pb2 import BreakerPolicy, FieldPolicy, MethodPolicy

from gateway.config.catalog import rule_mistakes
from gateway.config.credentials import is_credential
from gateway.config.limits.mistakes import rate_limit_mistakes
from gateway.config.operations.mistakes import operation_mistakes
from gateway.config.sharing.mistakes import sharing_mistakes
from gateway.config.values import KEYS, Mistake, in_order, name_mistakes, walk
from gateway.config.webhooks import webhook_mistakes
from gateway.core.errors import Reason
from gateway.core.status import Code
from gateway.transcode.headers import check_header_name, check_header_value

_OWN_TRAILERS = frozenset(("ratelimit", "ratelimit-policy", "seawall-limit-mode"))


def method_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with a MethodPolicy."""
    yield from walk(policy, "")
    yield from in_order(policy)
    yield from breaker_mistakes(policy.breaker)
    yield from rate_limit_mistakes(policy)
    yield from webhook_mistakes(policy.webhook)
    yield from sharing_mistakes(policy)
    yield from operation_mistakes(policy)
    yield from rule_mistakes(policy.errors)
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
            elif kind == "forward_response" and header.lower() in _OWN_TRAILERS:
                yield f"headers.{kind}[{i}]", f"{header!r} says how the gateway's own limits stand"
    yield from _header_mistakes(policy)
    for name in ("response_root", "response_field"):
        said = getattr(policy.json, name)  # empty takes back what a more general level said
        if said and not KEYS.fullmatch(said):
            yield f"json.{name}", "must be keys joined by dots"
    for key in sorted(policy.request.query):
        if not key:
            yield "request.query", "a parameter without a name"
    if policy.HasField("upstream"):
        yield from name_mistakes("upstream", policy.upstream)


def breaker_mistakes(breaker: BreakerPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with a breaker."""
    for i, status in enumerate(breaker.failure_http_statuses):
        if not 500 <= status <= 599:
            yield f"breaker.failure_http_statuses[{i}]", f"must be 500 to 599, found {status}"
    if breaker.key_metadata and breaker.key_field:
        yield "breaker.key_field", "breaker.key_metadata says another key; one of them must go"
    if breaker.key_field and not KEYS.fullmatch(breaker.key_field):
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
            elif not KEYS.fullmatch(said[name]):
                yield f"headers.{kind}.{name}", f"{said[name]!r} is not a field path"
    for name in sorted(headers.set):
        if name.lower() in {other.lower() for other in headers.request_fields}:
            yield f"headers.set.{name}", "is in headers.request_fields too; one of them must go"


def reference_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield references and secrets in proto options, where everybody sees them."""
    for i, _ in enumerate(policy.webhook.secrets):
        yield (
            f"webhook.secrets[{i}]",
            "reflection shows proto options to every caller; say it in the configuration file",
        )
    fixed = (("headers.set", policy.headers.set), ("request.query", policy.request.query))
    for path, values in fixed:
        for name in sorted(values):
            if "${" in values[name] or values[name].startswith("file:"):
                yield (
                    f"{path}.{name}",
                    "references are followed in YAML only, and reflection shows proto options "
                    "to every caller; say it in the configuration file",
                )
            elif is_credential(name):
                yield (
                    f"{path}.{name}",
                    "reads like a secret, and reflection shows proto options to every caller; "
                    "say it in the configuration file",
                )


def field_mistakes(policy: FieldPolicy, kind: str) -> Iterator[Mistake]:
    """Yield what is wrong with the option of one field.

    Args:
        policy: the option.
        kind: what the field holds: "enum", "timestamps", "int64" or "" for anything else.
    """
    yield from walk(policy, "")
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
