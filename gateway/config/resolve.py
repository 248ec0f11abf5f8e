"""From protos, YAML and flags to the methods that are served and their upstreams.

READ `resolve` FIRST; each of its steps is a module of its own. Every mistake is
collected: a gateway starts with all of them mended or not at all. Warnings stop nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seawall.config.v1.config_pb2 import Identity

from gateway.config.catalog import (
    Catalog,
    catalog_doubts,
    effective_rule_mistakes,
    read_catalog,
)
from gateway.config.checks import Mistake, config_mistakes
from gateway.config.compositions import (
    Composition,
    compositions,
    fallback_upstreams,
    unread_body_doubts,
)
from gateway.config.document import Document
from gateway.config.doubts import doubts
from gateway.config.effective import EffectiveMethod, EffectiveUpstream
from gateway.config.identity import credential_key_mistakes, listener_auth_doubts
from gateway.config.lent import lent_doubts
from gateway.config.levels import MethodLevels
from gateway.config.limits.merged import effective_limit_mistakes
from gateway.config.listeners import listener_service_mistakes
from gateway.config.operations import merged_operation_mistakes, step_mistakes
from gateway.config.origins import where_said
from gateway.config.own import check_own, own_doubts, own_served
from gateway.config.problems import Problems
from gateway.config.promises import Promises
from gateway.config.protection import key_mistakes
from gateway.config.schema import Schema
from gateway.config.services import bind_methods, check_names, choose_services, missing_bodies
from gateway.config.sharing import effective_sharing_mistakes
from gateway.config.state import state_doubts
from gateway.config.tracing import tracing_doubts
from gateway.config.upstream_credentials import credential_conflicts
from gateway.config.upstreams import DEFAULT_UPSTREAM as DEFAULT_UPSTREAM
from gateway.config.upstreams import Upstreams
from gateway.config.validation import ConstraintError, Validation
from gateway.config.webhook_doubts import webhook_doubts
from gateway.config.webhooks import effective_webhook_mistakes
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
        methods: all that are served.
        upstreams: those in use, by name.
        left_out: methods of served services that are not, and why.
        compositions: what other methods have to do with one, by its full name.
        elsewhere: methods over an upstream that is a fallback, by full name and upstream.
        warnings: what is no mistake, and hardly what was meant.
        catalog: what failures are called.
    """

    methods: tuple[EffectiveMethod, ...]
    upstreams: Mapping[str, EffectiveUpstream]
    left_out: tuple[Problem, ...]
    compositions: Mapping[str, Composition] = field(default_factory=dict)
    elsewhere: Mapping[tuple[str, str], EffectiveMethod] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    catalog: Catalog = field(default_factory=lambda: Catalog({}, {}))

    @property
    def has_operations(self) -> bool:
        """Whether calls of any method are kept, or may be."""
        return any(one.operation is not None for one in self.compositions.values())


def resolve(
    schema: Schema, document: Document, flags: Flags, environ: Mapping[str, str]
) -> Resolved:
    """Return what is served.

    Raises:
        ConfigError: with every mistake in bindings, policies and upstreams.
    """
    problems = Problems()
    for key, text in config_mistakes(document.config, document.folder):
        problems.add(document.where(key), f"{key}: {text}")
    check_names(schema, document, problems)
    check_own(document, problems)
    catalog = read_catalog(schema, document, problems)

    services = choose_services(schema, document, flags.services, problems)
    bound, left_out = bind_methods(services, schema, document, problems)
    if services and not bound:
        for problem in left_out:
            problems.add(problem.where, f"{problem.text}: nothing is left to serve")

    levels = MethodLevels(schema, document, problems)
    upstreams = Upstreams(schema, document, flags.upstreams, environ, problems)
    rest = [method for method in bound if method.bindings]
    named = [levels.upstream_of(method.descriptor) for method in rest]
    assigned = upstreams.assign(rest, named)
    answered_by = {m.name: upstream for m, upstream in zip(rest, assigned, strict=True)}
    promises = Promises(levels, document, problems)
    promised = [(method, answered_by.get(method.name, "")) for method in bound]
    reserves = [
        (method, upstream, other)
        for method, upstream in promised
        for other in fallback_upstreams(method.descriptor, promises.policy(method, upstream)[0])
    ]
    names = list(dict.fromkeys([*assigned, *(r[2] for r in reserves)]))
    used = upstreams.effective(names, levels.named_at)
    problems.raise_if_any()

    methods = tuple(promises.effective(method, upstream) for method, upstream in promised)
    elsewhere = {
        (method.name, other): promises.effective(method, other)
        for method, upstream, other in reserves
        if method.bindings and other != upstream
    }
    for effective in methods:
        if effective.sends_one_body:
            for mistake in missing_bodies(effective.bindings):
                name = effective.method.full_name
                problems.add(effective.where, f"{name}: stream.requests: {mistake}")
    composed = compositions(methods, elsewhere, schema, problems)
    identity = document.config.identity
    _add_merged((*methods, *elsewhere.values()), used, catalog, identity, problems)
    steps_of = {
        name: [step.method for step in one.operation.steps]
        for name, one in composed.items()
        if one.operation is not None
    }
    for where, text in step_mistakes(methods, steps_of, used):
        problems.add(where, text)
    validation = Validation(schema)
    for effective in methods:
        try:
            validation.of(effective.policy, effective.descriptor.input_type)
        except ConstraintError as error:
            for problem in error.problems:
                problems.add(problem.where, problem.text)
    problems.raise_if_any()
    operations = any(one.operation is not None for one in composed.values())
    served = {effective.method.service for effective in methods} | own_served(
        document, operations=operations
    )
    for key, text in listener_service_mistakes(document.config, served):
        problems.add(document.where(key), f"{key}: {text}")
    problems.raise_if_any()
    methods = tuple(
        method
        if method.bindings
        else replace(method, parts_idempotent=composed[method.method.full_name].idempotent)
        for method in methods
    )
    warnings = (
        *doubts(methods, tuple(elsewhere.values()), tuple(used.values()), identity),
        *lent_doubts(methods, composed, identity),
        *unread_body_doubts(methods, composed),
        *webhook_doubts(methods),
        *_file_doubts(document, methods),
        *own_doubts(document, operations=operations),
        *_catalog_doubts(catalog, (*methods, *elsewhere.values()), document),
    )
    return Resolved(methods, used, tuple(left_out), composed, elsewhere, warnings, catalog)


def _add_merged(
    methods: Sequence[EffectiveMethod],
    upstreams: Mapping[str, EffectiveUpstream],
    catalog: Catalog,
    identity: Identity,
    problems: Problems,
) -> None:
    """Find what is wrong once all levels are merged; each mistake is told once, where it stands.

    What one level says may be wrong for all methods that have it from there.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for effective in methods:
        policy = effective.policy
        wrong = [
            *_merged_mistakes(effective),
            *credential_key_mistakes(policy, identity),
            *effective_rule_mistakes(policy, catalog, effective.method.service),
        ]
        if (upstream := upstreams.get(effective.upstream)) is not None:
            wrong += credential_conflicts(upstream.policy, policy)
        wrong += merged_operation_mistakes(
            effective.descriptor,
            policy,
            effective.origins,
            None if upstream is None else upstream.policy,
            bound=bool(effective.bindings),
        )
        for path, text in wrong:
            where = where_said(effective.origins, path, effective.where)
            names = found.setdefault((where, path, text), [])
            if effective.method.full_name not in names:
                names.append(effective.method.full_name)
    for (where, path, text), (first, *more) in found.items():
        others = f" and {len(more)} more" if more else ""
        problems.add(where, f"{first}{others}: {path}: {text}")


def _catalog_doubts(
    catalog: Catalog, methods: Sequence[EffectiveMethod], document: Document
) -> Iterator[Problem]:
    policies = [(method.policy, method.method.service) for method in methods]
    for file, (what, why) in catalog_doubts(catalog, policies):
        yield Problem(file or document.where(what), f"{what}: {why}")


def _file_doubts(document: Document, methods: Sequence[EffectiveMethod]) -> Iterator[Problem]:
    served = ((m.method.service, m.method.full_name, m.policy.auth) for m in methods)
    for path, text in listener_auth_doubts(document.config.listeners, served):
        yield Problem(document.where(path), f"{path}: {text}")
    for path, text in state_doubts(document.config.state, document.referenced):
        yield Problem(document.where(f"state.{path}"), f"state.{path}: {text}")
    for path, text in tracing_doubts(document.config.tracing, document.referenced):
        yield Problem(document.where(f"tracing.{path}"), f"tracing.{path}: {text}")


def _merged_mistakes(effective: EffectiveMethod) -> Iterator[Mistake]:
    """Yield what is wrong with a method's policy once all levels are merged."""
    policy, request = effective.policy, effective.descriptor.input_type
    method = effective.method
    yield from effective_sharing_mistakes(
        policy,
        effective.origins,
        request,
        reads_only=effective.reads_only,
        unary=not (method.client_streaming or method.server_streaming),
    )
    yield from key_mistakes(policy, request)
    one_body = effective.method.client_streaming and (
        effective.sends_one_body or not effective.method.server_streaming
    )
    yield from effective_limit_mistakes(policy, request, one_body=one_body)
    streams = effective.method.client_streaming
    yield from effective_webhook_mistakes(policy, request, client_streaming=streams)
