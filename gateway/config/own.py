"""What holds for the gateway's own services: health, reflection, admin, rate limits.

They have no upstream, so that most of a policy says nothing of them. Rules:
1. `auth` holds as for every method: built-in, `defaults.method`, then `services.NAME` of the
   configuration. Health is not open because it is health: whoever wants that says so.
2. `rate_limits` hold where `services.NAME` says them. Those of `defaults.method` are meant for
   callers of upstreams: a probe is not one.
3. Anything else that `services.NAME` says of them is a mistake.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seawall.policy.v1.policy_pb2 import AuthPolicy, MethodPolicy

from gateway.config import builtin
from gateway.config.document import Document
from gateway.config.levels import says_something, yaml_level
from gateway.config.limits.merged import effective_limit_mistakes
from gateway.config.merge import Level, Merged, merge
from gateway.config.problems import Problems
from gateway.config.suggest import no_such
from gateway.core.call import MethodInfo
from gateway.core.errors import Problem

OPERATIONS = "google.longrunning.Operations"
METHODS: Mapping[str, tuple[str, ...]] = {
    "grpc.health.v1.Health": ("Check", "List", "Watch"),
    "grpc.reflection.v1.ServerReflection": ("ServerReflectionInfo",),
    "grpc.reflection.v1alpha.ServerReflection": ("ServerReflectionInfo",),
    "seawall.admin.v1.AdminService": (
        *("ListOperations", "ListUnknownCalls", "ListUpstreams", "PurgeCache"),
        *("ResolveUnknownCall", "RetryOperation"),
    ),
    "envoy.service.ratelimit.v3.RateLimitService": ("ShouldRateLimit",),
    OPERATIONS: (
        *("CancelOperation", "DeleteOperation", "GetOperation", "ListOperations"),
        "WaitOperation",
    ),
}
"""Every service of the gateway's own, served or not, and its methods."""

_NO_REQUEST: Any = MethodPolicy.DESCRIPTOR
"""Stands for requests whose fields nobody looks at."""
_IF_ENABLED = {
    "seawall.admin.v1.AdminService": "admin",
    "envoy.service.ratelimit.v3.RateLimitService": "rate_limit_service",
}
"""Services that are served where the configuration says `enabled` below a key."""
_OF_OPERATIONS = MethodPolicy(auth=AuthPolicy(mode=AuthPolicy.OPTIONAL))
"""Operations are their callers' own, so that whoever brings a credential is known by it."""
_SAY_SOMETHING = frozenset(("auth", "rate_limits"))


def own_served(document: Document, *, operations: bool) -> set[str]:
    """Return the services of the gateway's own that are served.

    Args:
        document: the configuration.
        operations: whether any method has operations.
    """
    served = {
        name
        for name in METHODS
        if name not in _IF_ENABLED or getattr(document.config, _IF_ENABLED[name]).enabled
    }
    return served if operations else served - {OPERATIONS}


def check_own(document: Document, problems: Problems) -> None:
    """Find what the configuration says of own services that does not hold for them."""
    for name, methods in METHODS.items():
        if name not in document.config.services:
            continue
        said = document.config.services[name]
        at = f"services.{name}"
        for key, policy in (
            (f"{at}.policy", said.policy),
            *((f"{at}.methods.{method}", said.methods[method]) for method in said.methods),
        ):
            for path, text in _mistakes(policy):
                problems.add(document.where(f"{key}.{path}"), f"{key}.{path}: {text}")
        for method in sorted(said.methods):
            if method not in methods:
                key = f"{at}.methods.{method}"
                problems.add(document.where(key), f"{key}: {no_such('method', method, methods)}")
        _check_limits(name, methods, document, problems)


def own_doubts(document: Document, *, operations: bool) -> Iterator[Problem]:
    """Yield policies of own services that are not served."""
    for name in sorted(set(METHODS) - own_served(document, operations=operations)):
        if name in document.config.services:
            key = f"services.{name}"
            why = (
                "no method has `operation`"
                if name == OPERATIONS
                else f"{_IF_ENABLED[name]}.enabled turns it on"
            )
            yield Problem(
                document.where(key), f"{key}: has no effect: the service is not served; {why}"
            )


def _check_limits(
    service: str, methods: Iterable[str], document: Document, problems: Problems
) -> None:
    """Find what is wrong with the limits of a service once its levels are merged."""
    policies = own_policies(document, [MethodInfo(service, method) for method in methods])
    for method, (policy, _) in policies.items():
        found = [
            *effective_limit_mistakes(policy, _NO_REQUEST),
            *(
                (f"rate_limits.{name}.by", "its requests are not looked into: no field is a key")
                for name, limit in policy.rate_limits.items()
                if any(entry.startswith("field:") for entry in limit.by)
            ),
        ]
        at = f"services.{service}"
        for path, text in found:
            if not path.partition(".by[")[1]:
                problems.add(document.where(at), f"{method.full_name}: {path}: {text}")


def _mistakes(policy: MethodPolicy) -> Iterator[tuple[str, str]]:
    for field, _ in policy.ListFields():
        if field.name not in _SAY_SOMETHING:
            yield (
                field.name,
                "says nothing of a service that the gateway answers itself; "
                "auth and rate_limits do",
            )


def own_policies(document: Document, methods: Iterable[MethodInfo]) -> dict[MethodInfo, Merged]:
    """Return the policy of each of the gateway's own methods."""
    config = document.config
    of_all = MethodPolicy()
    if config.defaults.method.HasField("auth"):
        of_all.auth.CopyFrom(config.defaults.method.auth)
    found = {}
    for method in methods:
        levels = [Level("built-in", "", builtin.METHOD)]
        if method.service == OPERATIONS:
            levels.append(Level("built-in", "", _OF_OPERATIONS))
        if of_all.ListFields():
            levels.append(yaml_level("defaults", "defaults.method", of_all, document))
        if method.service in config.services:
            said = config.services[method.service]
            at = f"services.{method.service}"
            if says_something(f"{at}.policy", said.policy, document):
                levels.append(yaml_level("service", f"{at}.policy", said.policy, document))
            if method.name in said.methods:
                own = said.methods[method.name]
                levels.append(yaml_level("method", f"{at}.methods.{method.name}", own, document))
        found[method] = merge(levels)
    return found
