"""What policies may not say of shared answers and of work that is done once."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import DeduplicationPolicy, MethodPolicy

from gateway.config.merge import Origins
from gateway.config.protection import field_mistake
from gateway.config.sharing.cache import field_at, is_cached, ttl_mistakes
from gateway.config.sharing.coalescing import is_said
from gateway.config.sharing.tags import tag_field_mistakes, tag_mistakes
from gateway.config.values import KEYS, Mistake, seconds
from gateway.state.answers import MARK_LIFE_S
from gateway.transcode.headers import check_header_name

_SET_COOKIE = "set-cookie"
_MOST_TTL_S = MARK_LIFE_S
_MOST_WINDOW_S = 60.0
_LEAST_RETENTION_S = 1.0
_MOST_RETENTION_S = 366 * 86_400.0


def sharing_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what one level may not say, by paths below the policy."""
    cache, said = policy.cache, policy.deduplication
    for name in ("ttl", "stale_while_revalidate", "stale_if_error", "negative_ttl"):
        if seconds(getattr(cache, name)) > _MOST_TTL_S:
            yield f"cache.{name}", f"at most {_MOST_TTL_S / 86_400:.0f} days"
    for name, ttl in sorted(cache.ttl_by.items()):
        if seconds(ttl) > _MOST_TTL_S:
            yield f"cache.ttl_by.{name}", f"at most {_MOST_TTL_S / 86_400:.0f} days"
    yield from tag_mistakes("cache.tags", cache.tags)
    yield from tag_mistakes("invalidation.tags", policy.invalidation.tags)
    yield from tag_mistakes("coalescing.after_write", policy.coalescing.after_write)
    for i, name in enumerate(cache.vary):
        if wrong := check_header_name(name):
            yield f"cache.vary[{i}]", wrong
    if seconds(policy.coalescing.window) > _MOST_WINDOW_S:
        yield "coalescing.window", f"at most {_MOST_WINDOW_S:g}s; a cache keeps longer"
    yield from _deduplication_mistakes(said)


def _deduplication_mistakes(said: DeduplicationPolicy) -> Iterator[Mistake]:
    for name in ("metadata", "header"):
        text = getattr(said, name)
        if text and (wrong := check_header_name(text)):
            yield f"deduplication.{name}", wrong
    if said.HasField("metadata") and not said.metadata:
        yield (
            "deduplication.metadata",
            "a key of metadata has a name; `disabled: true` turns it off",
        )
    retention_s = seconds(said.retention)
    # That no time is none is told of every duration.
    if 0 < retention_s < _LEAST_RETENTION_S or retention_s > _MOST_RETENTION_S:
        yield "deduplication.retention", "must be 1s to 366 days"
    if said.HasField("window") and not 0 <= seconds(said.window) <= _MOST_RETENTION_S:
        yield "deduplication.window", "must be 0s to 366 days"
    if said.HasField("max_completion") and not 1 <= seconds(said.max_completion) <= 3600:
        yield "deduplication.max_completion", "must be 1s to 3600s"


def effective_sharing_mistakes(
    policy: MethodPolicy,
    origins: Origins,
    request: Descriptor,
    *,
    reads_only: bool,
    unary: bool,
) -> Iterator[Mistake]:
    """Yield what is wrong once all levels are merged.

    Args:
        policy: merged.
        origins: of its values.
        request: the method's request type.
        reads_only: the method has no side effects.
        unary: one message each way.
    """
    for name in ("cache", "coalescing"):
        on = is_cached(policy) if name == "cache" else is_said(origins, name)
        if not on or getattr(policy, name).disabled:
            continue
        own = any(
            path.startswith(f"{name}.") and at.startswith("method") for path, at in origins.items()
        )
        # What a more general level says is meant for the methods that can have it.
        if own and not unary:
            yield name, "the method streams; only one of one message each way has this"
        elif own and not reads_only:
            yield (
                name,
                "the method has side effects; say `option idempotency_level = NO_SIDE_EFFECTS` "
                "or `idempotency: NO_SIDE_EFFECTS` if it has none",
            )
    yield from _cookies_shared(policy, origins)
    yield from _cache_fields(policy, request)
    yield from tag_field_mistakes("invalidation.tags", policy.invalidation.tags, request)
    yield from tag_field_mistakes("coalescing.after_write", policy.coalescing.after_write, request)
    yield from _deduplication_fields(policy.deduplication, request)


def _cookies_shared(policy: MethodPolicy, origins: Origins) -> Iterator[Mistake]:
    """Yield headers that are one caller's, of answers that callers share."""
    shared = [
        name
        for name, on in (
            ("cache.shared", is_cached(policy) and policy.cache.shared),
            (
                "coalescing.shared",
                is_said(origins, "coalescing")
                and policy.coalescing.shared
                and not policy.coalescing.disabled,
            ),
            ("batch.shared", bool(policy.batch.method) and policy.batch.shared),
        )
        if on
    ]
    if not shared:
        return
    why = f"one caller's cookies would be given to others: {shared[0]} says that answers are theirs"
    for i, name in enumerate(policy.headers.forward_response):
        if name.lower() == _SET_COOKIE:
            yield f"headers.forward_response[{i}]", why
    for name in policy.headers.response_fields:
        if name.lower() == _SET_COOKIE:
            yield f"headers.response_fields.{name}", why


def _cache_fields(policy: MethodPolicy, request: Descriptor) -> Iterator[Mistake]:
    cache = policy.cache
    if not is_cached(policy):
        return
    yield from tag_field_mistakes("cache.tags", cache.tags, request)
    for i, path in enumerate(cache.ignore_fields):
        if wrong := _path_mistake(request, path):
            yield f"cache.ignore_fields[{i}]", wrong
    if not cache.ttl_field:
        if cache.ttl_by:
            yield "cache.ttl_by", "cache.ttl_field does not say which field has these values"
        return
    if wrong := field_mistake(request, cache.ttl_field):
        yield "cache.ttl_field", wrong
        return
    field = field_at(request, cache.ttl_field)
    of_text = field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL)
    if field.enum_type is None and not of_text:
        yield "cache.ttl_field", f"{cache.ttl_field!r} must be an enum, a string or a bool"
        return
    yield from ttl_mistakes(cache, request)


def _deduplication_fields(said: DeduplicationPolicy, request: Descriptor) -> Iterator[Mistake]:
    if said.disabled:
        return
    if said.field and (wrong := field_mistake(request, said.field)):
        yield "deduplication.field", wrong
    if said.json_path and (wrong := _json_mistake(said, request)):
        yield "deduplication.json_path", wrong
    for i, path in enumerate(said.fields):
        if wrong := _path_mistake(request, path):
            yield f"deduplication.fields[{i}]", wrong
    if said.fields and not seconds(said.window):
        yield "deduplication.fields", "are for calls without a key; say deduplication.window"
    if said.required and seconds(said.window):
        yield "deduplication.required", "every call has a key then, and deduplication.window none"
    on_unknown = said.on_unknown
    if on_unknown != DeduplicationPolicy.LOOKUP and said.HasField("lookup"):
        yield "deduplication.lookup", "is for `on_unknown: LOOKUP` only"
    if on_unknown == DeduplicationPolicy.RESEND and not said.header:
        yield "deduplication.header", "the upstream is sent no key that it could honour"


def _json_mistake(said: DeduplicationPolicy, request: Descriptor) -> str:
    if not said.field:
        return "needs deduplication.field: which field holds the JSON"
    if field_mistake(request, said.field):
        return ""  # is told of the field
    of_text = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
    if field_at(request, said.field).type not in of_text:
        return f"{said.field!r} holds no JSON: it is neither a string nor bytes"
    return "" if KEYS.fullmatch(said.json_path) else "must be keys joined by dots"


def _path_mistake(request: Descriptor, path: str) -> str:
    """Return why a path is none, "" where it is; any field may stand at its end."""
    message: Descriptor | None = request
    for name in path.split("."):
        if message is None:
            return f"{path!r}: the field before {name!r} is no message"
        field = message.fields_by_name.get(name)
        if field is None:
            return f"{path!r}: {message.full_name} has no field {name!r}"
        message = None if field.is_repeated else field.message_type
    return ""
