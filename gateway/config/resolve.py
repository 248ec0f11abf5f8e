"""From protos, YAML and flags to the methods that are served and their upstreams.

READ `resolve` FIRST; each of its steps is a module of its own. Every mistake is
collected: a gateway starts with all of them mended or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.config.ceilings import clamp
from gateway.config.checks import config_mistakes
from gateway.config.document import Document
from gateway.config.effective import EffectiveMethod, EffectiveUpstream
from gateway.config.levels import MethodLevels
from gateway.config.merge import Level, Merged, Merger
from gateway.config.problems import Problems
from gateway.config.schema import Schema
from gateway.config.services import BoundMethod, bind_methods, check_names, choose_services
from gateway.config.upstreams import DEFAULT_UPSTREAM as DEFAULT_UPSTREAM
from gateway.config.upstreams import Upstreams
from gateway.core.call import MethodInfo
from gateway.core.errors import Problem


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says of services and upstreams.

    Args:
        services: full names; empty for every service with a bound method.
        upstreams: URL by name; "" is the name of one that was given without.
    """

    services: Sequence[str] = ()
    upstreams: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a gateway serves.

    Args:
        methods: that a REST service answers.
        upstreams: those in use, by name.
        left_out: methods of served services that are not, and why.
    """

    methods: tuple[EffectiveMethod, ...]
    upstreams: Mapping[str, EffectiveUpstream]
    left_out: tuple[Problem, ...]


def resolve(
    schema: Schema, document: Document, flags: Flags, environ: Mapping[str, str]
) -> Resolved:
    """Return what is served.

    Raises:
        ConfigError: with every mistake in bindings, policies and upstreams.
    """
    problems = Problems()
    for key, text in config_mistakes(document.config):
        problems.add(document.where(key), f"{key}: {text}")
    check_names(schema, document, problems)

    services = choose_services(schema, document, flags.services, problems)
    bound, left_out = bind_methods(services, schema, problems)
    if services and not bound:
        for problem in left_out:
            problems.add(problem.where, f"{problem.text}: nothing is left to serve")

    levels = MethodLevels(schema, document, problems)
    upstreams = Upstreams(schema, document, flags.upstreams, environ, problems)
    named = [levels.upstream_of(method.descriptor) for method in bound]
    answered_by = upstreams.assign(bound, named)
    used = upstreams.effective(list(dict.fromkeys(answered_by)))
    problems.raise_if_any()

    policies = _Policies(document)
    methods = tuple(
        _effective_method(method, upstream, policies.of(levels.of(method.descriptor, upstream)))
        for method, upstream in zip(bound, answered_by, strict=True)
    )
    return Resolved(methods, used, tuple(left_out))


class _Policies:
    """Merges and clamps; methods of which the same is said share one policy."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._merger = Merger()
        self._known: dict[tuple[Level, ...], Merged] = {}

    def of(self, levels: tuple[Level, ...]) -> Merged:
        known = self._known.get(levels)
        if known is None:
            merged = self._merger.merge(levels)
            known = clamp(merged, self._document.config.ceilings, self._document)
            self._known[levels] = known
        return known


def _effective_method(method: BoundMethod, upstream: str, merged: Merged) -> EffectiveMethod:
    descriptor = method.descriptor
    info = MethodInfo(
        descriptor.containing_service.full_name,
        descriptor.name,
        descriptor.client_streaming,
        descriptor.server_streaming,
    )
    policy, origins = merged
    return EffectiveMethod(
        info, descriptor, method.where, method.bindings, upstream, policy, origins
    )
