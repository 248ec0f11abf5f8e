"""From `coalescing` of a policy to options."""

from collections.abc import Set
from typing import NamedTuple

from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.merge import Origins
from gateway.config.sharing.cache import is_cached
from gateway.config.sharing.metadata import counted_metadata
from gateway.config.sharing.tags import TagsOf, tags_of
from gateway.config.values import seconds
from gateway.interceptors.coalesce import CoalesceOptions
from gateway.transcode.sharing import ShareKey


class DeclaredCoalescing(NamedTuple):
    """What a method's coalescing is made with; `tags_of` is None where no write counts."""

    options: CoalesceOptions
    key_of: ShareKey
    tags_of: TagsOf | None


def coalescing_options(
    policy: MethodPolicy,
    origins: Origins,
    name: str,
    of_identity: Set[str],
    withheld: Set[str],
) -> DeclaredCoalescing | None:
    """Return how equal calls of a method are one, None where they are not.

    Args:
        policy: merged.
        origins: of its values: it is on where a level says anything of it.
        name: of the method, in full.
        of_identity: metadata that identity providers read credentials from.
        withheld: metadata that its upstream is never sent.
    """
    said = policy.coalescing
    if said.disabled or not is_said(origins, "coalescing"):
        return None
    metadata = counted_metadata(
        policy.headers.forward_request,
        policy.cache.vary,
        of_identity,
        withheld=withheld,
        shared=said.shared,
    )
    tags = said.after_write or (policy.cache.tags if is_cached(policy) else ())
    return DeclaredCoalescing(
        CoalesceOptions(window_s=seconds(said.window), max_flights=said.max_flights),
        ShareKey(name, metadata, by_caller=not said.shared),
        tags_of(tags) if tags else None,
    )


def group_key(
    policy: MethodPolicy, name: str, of_identity: Set[str], withheld: Set[str]
) -> ShareKey:
    """Return what tells which single reads may be made by one bulk call: all but their key."""
    said = policy.batch
    metadata = counted_metadata(
        policy.headers.forward_request, (), of_identity, withheld=withheld, shared=said.shared
    )
    return ShareKey(f"{name} batch", metadata, by_caller=not said.shared, ignored=(said.key,))


def watch_key(
    called: MethodPolicy, name: str, of_identity: Set[str], withheld: Set[str]
) -> ShareKey:
    """Return what tells which watchers may share their answers.

    Args:
        called: the merged policy of the method that is asked.
        name: of the method that is watched, in full.
        of_identity: metadata that identity providers read credentials from.
        withheld: metadata that the upstream is never sent.
    """
    shared = called.cache.shared or called.coalescing.shared
    metadata = counted_metadata(
        called.headers.forward_request,
        called.cache.vary,
        of_identity,
        withheld=withheld,
        shared=shared,
    )
    return ShareKey(f"{name} watch", metadata, by_caller=not shared)


def is_said(origins: Origins, mechanism: str) -> bool:
    """Tell whether any level but the built-in one speaks of a mechanism."""
    return any(
        path.startswith(f"{mechanism}.") and at.partition(" ")[0] != "built-in"
        for path, at in origins.items()
    )
