"""From `cache` and `invalidation` of a policy to options."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from operator import attrgetter
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import CachePolicy, MethodPolicy

from gateway.config.sharing.metadata import counted_metadata
from gateway.config.sharing.tags import TagsOf, may_meet, tags_of
from gateway.config.values import Mistake, seconds
from gateway.core.call import Call
from gateway.interceptors.cache import CacheOptions
from gateway.transcode.sharing import ShareKey

TtlOf = Callable[[Call], float]


class DeclaredCache(NamedTuple):
    """What a method's cache is made with."""

    options: CacheOptions
    key_of: ShareKey
    ttl_of: TtlOf
    tags_of: TagsOf


def cache_options(
    policy: MethodPolicy,
    name: str,
    request: Descriptor,
    of_identity: Set[str],
    withheld: Set[str],
) -> DeclaredCache | None:
    """Return how answers of a method are kept, None where they are not.

    Args:
        policy: merged.
        name: of the method, in full.
        request: its request type.
        of_identity: metadata that identity providers read credentials from.
        withheld: metadata that its upstream is never sent.
    """
    cache = policy.cache
    if not is_cached(policy):
        return None
    options = CacheOptions(
        stale_while_revalidate_s=seconds(cache.stale_while_revalidate),
        stale_if_error_s=seconds(cache.stale_if_error),
        negative_ttl_s=seconds(cache.negative_ttl),
        shared=cache.shared,
        respect_headers=cache.respect_headers,
        jitter=cache.jitter,
        max_answer_bytes=cache.max_answer_bytes,
        refresh_timeout_s=seconds(policy.deadline.default),
    )
    metadata = counted_metadata(
        policy.headers.forward_request,
        cache.vary,
        of_identity,
        withheld=withheld,
        shared=cache.shared,
    )
    key_of = ShareKey(
        name, metadata, by_caller=not cache.shared, ignored=tuple(cache.ignore_fields)
    )
    return DeclaredCache(options, key_of, _ttl_of(cache, request), tags_of(cache.tags))


def is_cached(policy: MethodPolicy) -> bool:
    """Tell whether a merged policy keeps answers."""
    cache = policy.cache
    return not cache.disabled and (cache.HasField("ttl") or bool(cache.ttl_by))


def cached_tags(policies: Iterable[MethodPolicy]) -> Iterator[str]:
    """Yield the tags by which writes make answers old, or are waited for."""
    for policy in policies:
        if is_cached(policy):
            yield from policy.cache.tags
        yield from policy.coalescing.after_write


def invalidation_doubts(policy: MethodPolicy, known: Sequence[str]) -> Iterator[Mistake]:
    """Yield the tags of a merged policy that no answer has.

    Args:
        policy: of a method that writes.
        known: tags of all that are served.
    """
    if policy.invalidation.disabled:
        return
    for i, tag in enumerate(policy.invalidation.tags):
        if not any(may_meet(tag, other) for other in known):
            yield (
                f"invalidation.tags[{i}]",
                f"no method that is served keeps answers with a tag like {tag!r}: nothing becomes "
                "old by it here",
            )


def invalidation_tags(policy: MethodPolicy) -> TagsOf | None:
    """Return what makes the tags that a call of the method makes old, None for none."""
    invalidation = policy.invalidation
    if invalidation.disabled or not invalidation.tags:
        return None
    return tags_of(invalidation.tags)


def _ttl_of(cache: CachePolicy, request: Descriptor) -> TtlOf:
    otherwise_s = seconds(cache.ttl)
    if not cache.ttl_field:
        return lambda _call: otherwise_s
    by = {
        _value(request, cache.ttl_field, name): seconds(ttl) for name, ttl in cache.ttl_by.items()
    }
    read = attrgetter(cache.ttl_field)
    return lambda call: by.get(read(call.message), otherwise_s)


def _value(request: Descriptor, path: str, name: str) -> Any:
    """Return the value of a field that a policy writes as text; KeyError for none."""
    field = field_at(request, path)
    if field.enum_type is not None:
        return field.enum_type.values_by_name[name].number
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}[name]
    return name


def field_at(request: Descriptor, path: str) -> FieldDescriptor:
    """Return the field of a path that is known to be there."""
    *heads, last = path.split(".")
    message: Any = request
    for head in heads:
        message = message.fields_by_name[head].message_type
    field: FieldDescriptor = message.fields_by_name[last]
    return field


def ttl_mistakes(cache: CachePolicy, request: Descriptor) -> Iterator[Mistake]:
    """Yield values that `ttl_field` cannot have."""
    for name in sorted(cache.ttl_by):
        try:
            _value(request, cache.ttl_field, name)
        except KeyError:
            field = field_at(request, cache.ttl_field)
            known = ["false", "true"]
            if field.enum_type is not None:
                known = sorted(field.enum_type.values_by_name)
            yield f"cache.ttl_by.{name}", f"{cache.ttl_field!r} is one of {', '.join(known)}"


def cached_doubts(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what a merged policy says of answers that are kept, and hardly means."""
    cache = policy.cache
    if not is_cached(policy):
        said = [name for name in ("tags", "shared") if getattr(cache, name)]
        if said and not cache.disabled:
            yield f"cache.{said[0]}", "has no effect: cache.ttl is not said, so nothing is kept"
        return
    if cache.shared and policy.HasField("auth") and policy.auth.roles:
        yield (
            "cache.shared",
            "callers with other roles are given one answer; auth.roles still says who may ask",
        )
