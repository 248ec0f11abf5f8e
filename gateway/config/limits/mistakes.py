"""What a level may not say of `rate_limits`, whoever says it."""

import re
from collections.abc import Iterator

from seawall.policy.v1.policy_pb2 import MethodPolicy, RateLimit

from gateway.config.limits.by import by_mistakes
from gateway.config.values import Mistake, seconds

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_PLACES = 1_000_000_000
MAX_PER_S = 31 * 86_400
"""A month; what a count remembers for longer is no rate."""
_MIN_PER_S = 0.001
_MAX_KEYS = 1_000_000


def rate_limit_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what a level may not say of `rate_limits`, whoever says it."""
    for name in sorted(policy.rate_limits):
        path = f"rate_limits.{name}"
        if not _NAME.fullmatch(name):
            yield path, "a limit's name is 1 to 64 letters, digits, '-' and '_'; callers see it"
        said = policy.rate_limits[name]
        yield from _number_mistakes(path, said)
        yield from by_mistakes(path, said.by)


def _number_mistakes(path: str, said: RateLimit) -> Iterator[Mistake]:
    if said.HasField("requests") and not said.requests:
        yield (
            f"{path}.requests",
            "must be at least 1; `auth` says who may not call at all, and 'disabled: true' "
            "turns a limit off",
        )
    for field, low, high in (
        ("requests", 0, _MAX_PLACES),
        ("burst", 1, _MAX_PLACES),
        ("max_keys", 1, _MAX_KEYS),
    ):
        value = getattr(said, field)
        if said.HasField(field) and not low <= value <= high:
            yield f"{path}.{field}", f"must be 1 to {high}, found {value}"
    if said.HasField("local_share") and not 0 < said.local_share <= 1:
        yield (
            f"{path}.local_share",
            f"must be more than 0, and at most 1; found {said.local_share:g}",
        )
    per_s = seconds(said.per)
    if said.HasField("per") and 0 < per_s < _MIN_PER_S:
        yield f"{path}.per", f"must be at least {_MIN_PER_S:g}s, found {per_s:g}s"
    if per_s > MAX_PER_S:
        yield f"{path}.per", f"must be at most 31 days ({MAX_PER_S}s), found {per_s:.12g}s"
