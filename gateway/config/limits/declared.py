"""From `rate_limits` of a merged policy to limits, their keys, and where they stand.

Rules:
1. A limit counts where the most specific level that speaks of it says it: a method's own
   limit counts that method's calls; one of a service, of an upstream or of `defaults` those
   of all methods that have it from there, together.
2. All limits of a method are one decision, as far out as all their keys can be read: with
   the call, behind auth where one counts by caller, behind decode where one reads a field.
   A call that is refused before the decision counts for the limits that need nothing but the
   call. Where each message of a stream is a request of its own, each is a call to its limits.
3. Instances have names that no other level can have: "defaults", "upstream=orders", the
   service, the method.
"""

import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seawall.policy.v1.policy_pb2 import MethodPolicy, RateLimit

from gateway.config.limits.by import part_of
from gateway.config.merge import Origins
from gateway.config.values import seconds
from gateway.interceptors.rate_limit import Part, Source
from gateway.state.limits import Algorithm, Limit, StoreFailure

_LEVELS = ("built-in", "defaults", "upstream", "service", "method")


class Stage(enum.StrEnum):
    """How far in the decision on a call's limits stands."""

    ARRIVAL = "arrival"
    """What came with the call is enough."""
    CALLER = "caller"
    """Behind auth."""
    MESSAGE = "message"
    """Behind decode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredLimit:
    """A limit of a method.

    Args:
        limit: its numbers, with the name of the instance: "panel.v1.AuthService/Login:logins".
        by: what has a count of its own, together; empty where all calls have one.
    """

    limit: Limit
    by: tuple[Part, ...] = ()


def declared_limits(
    policy: MethodPolicy, origins: Origins, method: str, upstream: str
) -> tuple[DeclaredLimit, ...]:
    """Return the limits that a method has, by name.

    Args:
        policy: merged.
        origins: of its values; the most specific level that speaks of a limit names its
            instance.
        method: "panel.v1.AuthService/Login".
        upstream: who answers it; "" where the gateway itself does.
    """
    scopes = {
        "defaults": "defaults",
        "upstream": f"upstream={upstream}",
        "service": method.partition("/")[0],
        "method": method,
    }
    found = []
    for name in sorted(policy.rate_limits):
        said = policy.rate_limits[name]
        if not name or said.disabled:
            continue
        scope = scopes.get(_level(origins, f"rate_limits.{name}."), method)
        parts = tuple(part for part in map(part_of, said.by) if part is not None)
        found.append(DeclaredLimit(limit=_limit(f"{scope}:{name}", said), by=parts))
    return tuple(found)


def stage(limits: Sequence[DeclaredLimit]) -> Stage:
    """Return how far in the one decision on all of `limits` has to stand."""
    sources = {part.source for declared in limits for part in declared.by}
    if Source.FIELD in sources:
        return Stage.MESSAGE
    return Stage.CALLER if Source.CALLER in sources else Stage.ARRIVAL


def _level(origins: Origins, prefix: str) -> str:
    said = {at.partition(" ")[0] for path, at in origins.items() if path.startswith(prefix)}
    return max(said & set(_LEVELS), key=_LEVELS.index, default="method")


def _limit(name: str, said: RateLimit) -> Limit:
    algorithm = said.algorithm or RateLimit.SLIDING_WINDOW
    failure = said.on_store_failure or RateLimit.LOCAL_SHARE
    return _shared(
        name=name,
        requests=said.requests,
        per_s=seconds(said.per),
        burst=said.burst,
        algorithm=Algorithm[RateLimit.Algorithm.Name(algorithm)],
        shadow=said.shadow,
        on_store_failure=StoreFailure[RateLimit.StoreFailure.Name(failure)],
        local_share=said.local_share,
        max_keys=said.max_keys,
    )


@functools.lru_cache(maxsize=4096)
def _shared(**numbers: Any) -> Limit:
    """Return one object for all methods of an instance, which stores then know by identity."""
    return Limit(**numbers)
