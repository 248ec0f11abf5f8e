"""From protos, YAML and flags to the methods that are served and their upstreams.

READ `resolve` FIRST; each of its steps is a module of its own. Every mistake is
collected: a gateway starts with all of them mended or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy, RequestPolicy, StreamPolicy

from gateway.config.ceilings import clamp
from gateway.config.checks import Mistake, config_mistakes
from gateway.config.compositions import Composition, compositions, fallback_upstreams
from gateway.config.document import Document
from gateway.config.effective import EffectiveMethod, EffectiveUpstream
from gateway.config.levels import MethodLevels
from gateway.config.merge import Level, Merged, Merger
from gateway.config.problems import Problems
from gateway.config.protection import key_mistakes
from gateway.config.schema import Schema
from gateway.config.services import (
    BoundMethod,
    bind_methods,
    check_names,
    choose_services,
    missing_bodies,
)
from gateway.config.upstreams import DEFAULT_UPSTREAM as DEFAULT_UPSTREAM
from gateway.config.upstreams import Upstreams
from gateway.config.writing import BY_FIELDS, writing_of
from gateway.core.call import MethodInfo
from gateway.core.errors import Problem
from gateway.transcode.binding import BindingError, Writing, compile_bindings, http_rule
from gateway.transcode.fields import OWN_JSON, FieldPathError, Plans, is_map
from gateway.transcode.header_fields import check_response_fields

_STRUCT = "google.protobuf.Struct"


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
    """

    methods: tuple[EffectiveMethod, ...]
    upstreams: Mapping[str, EffectiveUpstream]
    left_out: tuple[Problem, ...]
    compositions: Mapping[str, Composition] = field(default_factory=dict)


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
    policies = _Policies(document)
    promised = [(method, answered_by.get(method.name, "")) for method in bound]
    merged = [policies.of(levels.of(m.descriptor, upstream)) for m, upstream in promised]
    elsewhere = [
        name
        for (method, _), (policy, _) in zip(promised, merged, strict=True)
        for name in fallback_upstreams(method.descriptor, policy)
    ]
    used = upstreams.effective(list(dict.fromkeys([*assigned, *elsewhere])))
    problems.raise_if_any()

    writings = _Writings(problems)
    methods = tuple(
        _effective_method(writings.under(method, policy), upstream, policy, document.referenced)
        for (method, upstream), policy in zip(promised, merged, strict=True)
    )
    for effective in methods:
        if effective.sends_one_body:
            for mistake in missing_bodies(effective.bindings):
                name = effective.method.full_name
                problems.add(effective.where, f"{name}: stream.requests: {mistake}")
    composed = compositions(methods, schema, problems)
    for effective in methods:
        for path, text in key_mistakes(effective.policy, effective.descriptor.input_type):
            problems.add(effective.where, f"{effective.method.full_name}: {path}: {text}")
    problems.raise_if_any()
    methods = tuple(
        method
        if method.bindings
        else replace(method, parts_idempotent=composed[method.method.full_name].idempotent)
        for method in methods
    )
    return Resolved(methods, used, tuple(left_out), composed)


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


class _Writings:
    """Binds methods anew where their policies say how messages are written."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._plans: Plans = {}

    def under(self, method: BoundMethod, merged: Merged) -> BoundMethod:
        if not method.bindings:  # it is not written
            return method
        policy, _ = merged
        descriptor, rule = method.descriptor, http_rule(method.descriptor)
        writing = writing_of(policy)
        try:
            if writing != Writing(habits=BY_FIELDS) and rule is not None:
                found = compile_bindings(descriptor, rule, self._plans, writing)
                method = replace(method, bindings=found)
            if not descriptor.server_streaming:  # whose messages have no headers of their own
                fields = {k.lower(): v for k, v in policy.headers.response_fields.items()}
                check_response_fields(descriptor.output_type, fields, writing.habits)
        except BindingError as error:
            for mistake in error.mistakes:
                self._add(method, merged, mistake)
        except FieldPathError as error:
            self._add(method, merged, str(error))
        if policy.request.body_format == RequestPolicy.FORM:
            for text in _form_mistakes(method, policy):
                self._add(method, merged, f"request.body_format: {text}")
        for path, text in _header_clashes(method, policy):
            self._add(method, merged, f"headers.{path}: {text}")
        return method

    def _add(self, method: BoundMethod, merged: Merged, text: str) -> None:
        # "headers.request_fields.etag: …" was said where "headers.request_fields" was.
        path = text.partition(":")[0]
        origins = merged[1]
        said = next((origins[at] for at in origins if f"{path}.".startswith(f"{at}.")), "")
        self._problems.add(method.where, f"{method.name}: {text}" + (f" ({said})" if said else ""))


def _header_clashes(method: BoundMethod, policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield which fields would be sent by two ways, or not at all."""
    fixed = {name.lower() for name in policy.headers.set}
    for name in sorted(policy.headers.request_fields):
        if name.lower() in fixed:
            yield f"request_fields.{name}", "headers.set sends that header with a fixed value"
    for binding in method.bindings:
        in_path = {reader.path for _, reader in binding.variables}
        for name, reader in binding.headers:
            if isinstance(binding.body, FieldDescriptor) and reader.path == binding.body.name:
                yield f"request_fields.{name}", f"{reader.path!r} is the body already"
            if reader.path in in_path:
                at = f'"{binding.template.text}"'
                yield f"request_fields.{name}", f"{reader.path!r} travels in the path {at} already"


def _form_mistakes(method: BoundMethod, policy: MethodPolicy) -> Iterator[str]:
    descriptor = method.descriptor
    if descriptor.client_streaming and (
        not descriptor.server_streaming or policy.stream.requests == StreamPolicy.ONE_BODY
    ):
        yield "a stream of messages is no form; write JSON for this method"
    for binding in method.bindings:
        body = binding.body
        if body is None or binding.body_is_raw:
            continue
        message: Descriptor | None = descriptor.input_type
        single = True
        if isinstance(body, FieldDescriptor):
            message, single = body.message_type, not body.is_repeated or is_map(body)
        if not single or message is None or message.full_name in OWN_JSON - {_STRUCT}:
            what = body if isinstance(body, str) else body.full_name
            yield f"a form has names and values; the body {what} is no object of fields"


def _effective_method(
    method: BoundMethod, upstream: str, merged: Merged, referenced: frozenset[str]
) -> EffectiveMethod:
    descriptor = method.descriptor
    info = MethodInfo(
        descriptor.containing_service.full_name,
        descriptor.name,
        descriptor.client_streaming,
        descriptor.server_streaming,
    )
    policy, origins = merged
    return EffectiveMethod(
        info, descriptor, method.where, method.bindings, upstream, policy, origins, referenced
    )
