"""Shared answers and work done once, from policies: options, keys, mistakes.

Rules:
1. What an answer may depend on counts in its key: the request, what `headers.forward_request`
   sends on (but trace context and request ids), `vary`, and who asks with what credential,
   unless the method is `shared`.
2. Only unary methods share. Caches, coalescing and batches are for methods without side
   effects; `deduplication` is for the others, and built in there for calls that bring a key.
3. Fields are there, and can be what they are said to be.
"""

from gateway.config.sharing.cache import (
    DeclaredCache,
    cache_options,
    cached_doubts,
    invalidation_tags,
)
from gateway.config.sharing.coalescing import DeclaredCoalescing, coalescing_options
from gateway.config.sharing.deduplication import DeclaredDeduplication, deduplication_options
from gateway.config.sharing.mistakes import effective_sharing_mistakes, sharing_mistakes

__all__ = [
    "DeclaredCache",
    "DeclaredCoalescing",
    "DeclaredDeduplication",
    "cache_options",
    "cached_doubts",
    "coalescing_options",
    "deduplication_options",
    "effective_sharing_mistakes",
    "invalidation_tags",
    "sharing_mistakes",
]
