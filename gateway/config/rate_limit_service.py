"""From `rate_limit_service` of the configuration to domains, and what it may not say."""

from collections.abc import Iterator
from typing import Any

from seawall.config.v1.config_pb2 import DescriptorLimit, GatewayConfig
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config import builtin
from gateway.config.limits.declared import declared_limits
from gateway.config.limits.merged import effective_limit_mistakes
from gateway.config.limits.mistakes import rate_limit_mistakes
from gateway.config.merge import Level, merge
from gateway.config.values import Mistake
from gateway.state.described import DescribedLimit

_MAX_ENTRIES = 32
_NAMES_NO_FIELD: Any = MethodPolicy.DESCRIPTOR
"""A request without fields that a limit could count by."""


def described_limits(config: GatewayConfig) -> dict[str, list[DescribedLimit]]:
    """Return the limits of each domain."""
    found: dict[str, list[DescribedLimit]] = {}
    for domain in sorted(config.rate_limit_service.domains):
        found[domain] = []
        for i, said in enumerate(config.rate_limit_service.domains[domain].limits):
            policy, origins = _merged(said)
            (declared,) = declared_limits(policy, origins, f"ratelimit/{domain}.{i}", "")
            entries = tuple(
                (entry.key, entry.value if entry.HasField("value") else None)
                for entry in said.entries
            )
            label = said.name or ".".join(entry.key for entry in said.entries)
            found[domain].append(DescribedLimit(label=label, entries=entries, limit=declared.limit))
    return found


def _merged(said: DescriptorLimit) -> tuple[MethodPolicy, dict[str, str]]:
    policy = MethodPolicy()
    policy.rate_limits["limit"].CopyFrom(said.limit)
    merged: tuple[MethodPolicy, dict[str, str]] = merge(
        [Level("built-in", "", builtin.METHOD), Level("method", "", policy)]
    )
    return merged


def service_mistakes(config: GatewayConfig) -> Iterator[Mistake]:
    """Yield what is wrong, by the paths of the file's keys."""
    service = config.rate_limit_service
    if service.domains and not service.enabled:
        yield "rate_limit_service.enabled", "domains are said, and the service is not served"
    if service.enabled and not service.domains:
        yield "rate_limit_service.domains", "there are none: every question would be answered OK"
    for domain in sorted(service.domains):
        at = f"rate_limit_service.domains.{domain}"
        if not domain:
            yield at, "a domain needs a name"
        seen: dict[tuple[tuple[str, str], ...], int] = {}
        for i, said in enumerate(service.domains[domain].limits):
            yield from ((f"{at}.limits[{i}].{path}", text) for path, text in _mistakes(said))
            entries = tuple((entry.key, entry.value) for entry in said.entries)
            first = seen.setdefault(entries, i)
            if first != i and said.limit.per == service.domains[domain].limits[first].limit.per:
                yield f"{at}.limits[{i}].entries", f"are those of limits[{first}] already"


def _mistakes(said: DescriptorLimit) -> Iterator[Mistake]:
    if not said.entries:
        yield "entries", "there are none: no descriptor is like that"
    if len(said.entries) > _MAX_ENTRIES:
        yield "entries", f"at most {_MAX_ENTRIES}, found {len(said.entries)}"
    for i, entry in enumerate(said.entries):
        if not entry.key:
            yield f"entries[{i}].key", "must be said"
    if said.limit.by:
        yield "limit.by", "says nothing here: an entry without a value has a count for each"
    if said.limit.disabled:
        yield "limit.disabled", "leave the limit out"
        return
    policy = MethodPolicy()
    policy.rate_limits["limit"].CopyFrom(said.limit)
    for path, text in rate_limit_mistakes(policy):
        yield path.replace("rate_limits.limit", "limit", 1), text
    for path, text in effective_limit_mistakes(_merged(said)[0], _NAMES_NO_FIELD):
        yield path.replace("rate_limits.limit", "limit", 1), text
