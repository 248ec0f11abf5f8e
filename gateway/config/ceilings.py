"""Upper bounds on an effective policy: the operator's ceilings, and its own.

Applied after all levels are merged. What was lowered says so in its origin.
"""

from typing import Any

from google.protobuf.duration_pb2 import Duration
from seawall.config.v1.config_pb2 import Ceilings
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.checks import seconds
from gateway.config.document import Document
from gateway.config.merge import Merged

_CEILINGS = (
    ("deadline", "deadline", "default"),
    ("deadline", "deadline", "maximum"),
    ("max_backoff", "retry", "initial_backoff"),
    ("max_backoff", "retry", "max_backoff"),
    ("max_attempts", "retry", "max_attempts"),
    ("max_request_bytes", "sizes", "max_request_bytes"),
    ("max_response_bytes", "sizes", "max_response_bytes"),
)
"""Field of Ceilings; group and field of MethodPolicy that it bounds."""

_OWN = (
    ("deadline", "maximum", "default"),
    ("retry", "max_backoff", "initial_backoff"),
)
"""Group of MethodPolicy; field of it that bounds another one."""


def clamp(merged: Merged, ceilings: Ceilings, document: Document) -> Merged:
    """Return the effective policy with nothing above its bounds.

    Args:
        merged: the policy and its origins; not changed.
        ceilings: from the configuration.
        document: where they stand.
    """
    for ceiling, group, name in _CEILINGS:
        if ceilings.HasField(ceiling):
            by = f"ceiling ({document.where(f'ceilings.{ceiling}')})"
            merged = _lower(merged, group, name, getattr(ceilings, ceiling), by)
    for group, bound, name in _OWN:
        holder = getattr(merged[0], group)
        if holder.HasField(bound):
            by = f"{group}.{bound}, {merged[1].get(f'{group}.{bound}', '')}"
            merged = _lower(merged, group, name, getattr(holder, bound), by)
    return merged


def _lower(merged: Merged, group: str, name: str, bound: Any, by: str) -> Merged:
    policy, origins = merged
    holder = getattr(policy, group)
    if not holder.HasField(name) or _number(getattr(holder, name)) <= _number(bound):
        return merged
    path = f"{group}.{name}"
    lowered = MethodPolicy()
    lowered.CopyFrom(policy)
    if isinstance(bound, Duration):
        getattr(getattr(lowered, group), name).CopyFrom(bound)
    else:
        setattr(getattr(lowered, group), name, bound)
    return lowered, {**origins, path: f"{by}, was {origins.get(path, '')}"}


def _number(value: Any) -> float:
    return seconds(value) if isinstance(value, Duration) else float(value)
