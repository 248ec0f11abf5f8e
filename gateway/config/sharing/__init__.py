"""Shared answers and work done once, from policies: options, keys, mistakes.

Rules:
1. What an answer may depend on counts in its key: the request, what `headers.forward_request`
   sends on (but trace context and request ids), `vary`, and who asks with what credential,
   unless the method is `shared`.
2. Only unary methods share. Caches, coalescing and batches are for methods without side
   effects; `deduplication` is for the others, and built in there for calls that bring a key.
3. Fields are there, and can be what they are said to be.
"""

from collections.abc import Iterable

from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.merge import Origins
from gateway.config.sharing.cache import (
    DeclaredCache,
    cache_options,
    cached_doubts,
    cached_tags,
    invalidation_doubts,
    invalidation_tags,
    is_cached,
)
from gateway.config.sharing.coalescing import (
    DeclaredCoalescing,
    coalescing_options,
    group_key,
    is_said,
    watch_key,
)
from gateway.config.sharing.deduplication import DeclaredDeduplication, deduplication_options
from gateway.config.sharing.mistakes import effective_sharing_mistakes, sharing_mistakes


def keeps_answers(policies: Iterable[MethodPolicy]) -> bool:
    """Tell whether any of the merged policies keeps answers, or makes kept ones old."""
    return any(
        is_cached(policy)
        or invalidation_tags(policy) is not None
        or (policy.coalescing.after_write and not policy.coalescing.disabled)
        for policy in policies
    )


def keeps_records(policies: Iterable[tuple[MethodPolicy, Origins]]) -> bool:
    """Tell whether any level speaks of calls that must not happen twice."""
    return any(
        is_said(origins, "deduplication") and not policy.deduplication.disabled
        for policy, origins in policies
    )


__all__ = [
    "DeclaredCache",
    "DeclaredCoalescing",
    "DeclaredDeduplication",
    "cache_options",
    "cached_doubts",
    "cached_tags",
    "coalescing_options",
    "deduplication_options",
    "effective_sharing_mistakes",
    "group_key",
    "invalidation_doubts",
    "invalidation_tags",
    "is_cached",
    "keeps_answers",
    "keeps_records",
    "sharing_mistakes",
    "watch_key",
]
