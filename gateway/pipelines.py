"""The pipelines of the methods of a gateway: part of the composition root, beside `app.py`.

From effective policies to interceptors around targets (`chain.py` has their order). A
method is answered by REST, or by other methods' answers; calls of the gateway's own enter
a pipeline behind its decode step (`Entry`), and are found when they are first made, so
that pipelines may be built in any order.

What sends a method to an upstream is made in one place (`Pipelines._way`), of the policy
that was merged for the two: the method's own upstream and one that is a fallback differ in
nothing else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor
from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import DeduplicationPolicy, MethodPolicy

from gateway import __version__
from gateway.chain import (
    Shared,
    Surroundings,
    attempt_interceptors,
    composed_interceptors,
    own_interceptors,
    rest_interceptors,
)
from gateway.compose.batch import BatchInterceptor
from gateway.compose.fallback import FallbackInterceptor
from gateway.compose.fan_out import FanOutTarget
from gateway.compose.lookup import MethodLookup
from gateway.compose.part import Entry
from gateway.compose.scatter import ScatterTarget
from gateway.config.effective import EffectiveMethod, MethodOptions, method_options
from gateway.config.operations.readers import (
    accepted_answer,
    call_readers,
    work_deduplication,
)
from gateway.config.resolve import Resolved
from gateway.config.schema import Schema
from gateway.config.sharing import group_key
from gateway.config.upstream_credentials import (
    AUTHORIZATION,
    apart,
    caller_of,
    credential_options,
    unread_metadata,
    withheld_names,
)
from gateway.config.validation import Validation
from gateway.config.writing import habits_of, request_options
from gateway.core.call import Call, Target
from gateway.core.flight import Landing
from gateway.downstream.credentials import Caller
from gateway.interceptors.deduplicate import CallKey
from gateway.operations.accept import AcceptInterceptor, Acceptor, AcceptTarget
from gateway.operations.message import OperationMessages
from gateway.operations.options import OperationOptions
from gateway.operations.polling import AcceptedTarget, EndTarget, PolledCall
from gateway.operations.steps import Steps
from gateway.operations.work import Doing, OneCall, Work
from gateway.pipeline import Pipeline, compose
from gateway.transcode.canonical import Canonical
from gateway.transcode.codec import JsonCodec
from gateway.transcode.decode import AnswerDecoder
from gateway.transcode.encode import EncodeInterceptor, RequestEncoder, RequestOptions
from gateway.transcode.habits import Habits
from gateway.transcode.header_fields import ResponseHeaderFields
from gateway.transcode.headers import HeaderForwarding
from gateway.transcode.kinds import rest_target
from gateway.transcode.target import RestParts
from gateway.upstream import Upstream


class _Way(NamedTuple):
    """A method over one upstream: everything here is of the same policy."""

    options: MethodOptions
    upstream: Upstream
    encoder: RequestEncoder
    target: Target
    withheld: frozenset[str]
    parts: RestParts


def _nobody() -> None:
    """Wake nobody: this process has no workers."""


def _with(options: RequestOptions, headers: Mapping[str, str]) -> RequestOptions:
    return replace(options, headers={**options.headers, **headers}) if headers else options


class Pipelines:
    """Builds the pipelines of everything that is served but the gateway's own services.

    Args:
        schema: message classes.
        resolved: what is served.
        upstreams: connected, by name.
        around: clock, randomness, events.
        identity: who callers are, as the configuration says it.
    """

    def __init__(
        self,
        schema: Schema,
        resolved: Resolved,
        upstreams: Mapping[str, Upstream],
        around: Surroundings,
        identity: Identity | None = None,
    ) -> None:
        self._schema = schema
        self._identity = identity
        self._validation = Validation(schema)
        self._canonical = Canonical(schema.unpacked)
        self._resolved = resolved
        self._upstreams = upstreams
        self._around = around
        self._codecs: dict[tuple[int, Habits], JsonCodec] = {}
        self._methods = {method.method.full_name: method for method in resolved.methods}
        self._built: dict[str, Pipeline] = {}
        self._operations: dict[str, OperationOptions] = {}
        self.messages = OperationMessages(self._operations)
        """What callers are told of operations."""
        self.works: dict[str, Work] = {}
        """How operations are made, by the full name of their method; when all is built."""
        self.wake: Callable[[], None] = _nobody
        """Called when something was accepted; the workers' is put here before any call."""

    def build(self) -> Iterator[Pipeline]:
        """Yield the pipeline of each method."""
        for name, method in self._methods.items():
            composition = self._resolved.compositions.get(name)
            if composition is not None and composition.operation is not None:
                pipeline = self._kept(method, composition.operation)
            else:
                pipeline = self._rest(method) if method.bindings else self._composed(method)
            self._built[name] = pipeline
            yield pipeline

    def _entry(self, name: str) -> Entry:
        descriptor, pipeline = self._methods[name].descriptor, self._built[name]
        return self._entry_of(descriptor.input_type, descriptor.output_type, pipeline)

    def _entry_of(self, request: Descriptor, response: Descriptor, pipeline: Pipeline) -> Entry:
        new = self._schema.new_message
        return Entry(pipeline.method, pipeline.enter, new(request), new(response))

    # Made later

    def _kept(self, method: EffectiveMethod, options: OperationOptions) -> Pipeline:
        """Return the pipeline of a method whose calls are kept, or may be; `works` has the rest."""
        around = self._around
        assert around.operations is not None
        full_name = method.method.full_name
        way = self._way(method) if method.bindings else None
        asked = self._options(method) if way is None else way.options
        of_identity = around.credential_metadata
        acceptor = Acceptor(
            method.method,
            options,
            call_readers(method, asked.deduplication, options, of_identity, self._canonical),
            around.operations,
            self.messages,
            lambda: self.wake(),
            around.events,
        )
        self._operations[full_name] = options
        request = self._schema.new_message(method.descriptor.input_type)
        self.works[full_name] = Work(
            method.method, request, options, self._doing(method, options, way)
        )
        if method.is_later:
            if way is None:
                outer, _ = composed_interceptors(asked, around)
            else:
                outer, _ = rest_interceptors(asked, way.encoder, way.upstream, around)
            target = AcceptTarget(acceptor, around.events)
            return compose(method.method, outer, (), target, own_interceptors(asked, around))
        assert way is not None
        return self._rest(method, way, self._accepting(method, options, acceptor))

    def _accepting(
        self, method: EffectiveMethod, options: OperationOptions, acceptor: Acceptor
    ) -> AcceptInterceptor:
        answer = self._schema.new_message(method.descriptor.output_type)
        once = method.policy.deduplication
        may_repeat = method.idempotency[0] or (
            not once.disabled
            and once.on_unknown in (DeduplicationPolicy.RESEND, DeduplicationPolicy.LOOKUP)
        )
        around = self._around
        return AcceptInterceptor(
            acceptor,
            options,
            accepted_answer(answer, options.accepted_in),
            may_repeat=may_repeat,
            clock=around.clock,
            rng=around.rng,
            events=around.events,
        )

    def _doing(
        self, method: EffectiveMethod, options: OperationOptions, way: "_Way | None"
    ) -> Doing:
        """Return what makes an attempt of a method's operations."""
        clock = self._around.clock
        if options.steps:
            assert options.steps_answer is not None
            return Steps(options.steps, options.steps_answer, self._entry, clock)
        assert way is not None
        once = work_deduplication(method, way.options.deduplication, options)
        asked = replace(way.options, deduplication=once, cache=None, coalescing=None)
        shared = self._shared(method, way.withheld)
        _, inner = rest_interceptors(
            asked, way.encoder, way.upstream, self._around, self._fallback(method), shared
        )
        if options.poll is None:
            return OneCall(compose(method.method, (), inner, way.target).run)
        url = self._resolved.upstreams[method.upstream].policy.url
        first = AcceptedTarget(way.parts, options.poll, url)
        then = EndTarget(way.parts, options.poll)
        return PolledCall(
            compose(method.method, (), inner, first).run,
            compose(
                method.method, (), attempt_interceptors(asked, way.upstream, self._around), then
            ).run,
            options.poll,
            method.bindings[0],
            dict(way.encoder.headers),
        )

    # Answered by REST

    def _rest(
        self,
        method: EffectiveMethod,
        way: "_Way | None" = None,
        accept: AcceptInterceptor | None = None,
    ) -> Pipeline:
        way = self._way(method) if way is None else way
        outer, inner = rest_interceptors(
            way.options,
            way.encoder,
            way.upstream,
            self._around,
            self._fallback(method),
            self._shared(method, way.withheld),
            accept,
        )
        return compose(
            method.method, outer, inner, way.target, own_interceptors(way.options, self._around)
        )

    def _fallback(self, method: EffectiveMethod) -> FallbackInterceptor | None:
        composition = self._resolved.compositions.get(method.method.full_name)
        if composition is None or composition.fallback is None:
            return None
        clock, events = self._around.clock, self._around.events
        elsewhere = partial(self._elsewhere, method.method.full_name)
        other = partial(self._apart, method.upstream)
        return FallbackInterceptor(composition.fallback, other, elsewhere, clock, events)

    def _shared(self, method: EffectiveMethod, withheld: frozenset[str]) -> Shared:
        """Return what shares a method's answers by calling others."""
        composition = self._resolved.compositions.get(method.method.full_name)
        if composition is None:
            return Shared()
        clock, events = self._around.clock, self._around.events
        batch = lookup = None
        if composition.batch is not None:
            group_of = group_key(
                method.policy, method.method.full_name, self._around.credential_metadata, withheld
            )
            batch = BatchInterceptor(composition.batch, group_of, self._entry, clock, events)
        if composition.lookup is not None:
            ask = MethodLookup(composition.lookup, self._entry, clock)

            async def look(call: Call, key: CallKey) -> Landing | None:
                return await ask(call, key.header)

            lookup = look
        return Shared(batch=batch, lookup=lookup)

    def _apart(self, own: str, name: str) -> Entry:
        """Return the entry of a method that is a fallback for one of the upstream `own`."""
        entry, method = self._entry(name), self._methods[name]
        upstream = self._resolved.upstreams.get(method.upstream)
        if upstream is None:  # made of others' answers
            return entry
        withheld = apart(
            own,
            method.upstream,
            upstream.policy,
            self._around.credential_metadata,
            method.policy.headers.forward_request,
        )
        return replace(entry, withheld=withheld)

    def _elsewhere(self, name: str, upstream: str) -> Entry:
        """Return the way of a method over an upstream that is a fallback."""
        method = self._resolved.elsewhere[name, upstream]
        way = self._way(method, is_fallback=True)
        pipeline = compose(
            method.method,
            (),
            [
                EncodeInterceptor(way.encoder),
                *attempt_interceptors(way.options, way.upstream, self._around),
            ],
            way.target,
        )
        descriptor = method.descriptor
        return self._entry_of(descriptor.input_type, descriptor.output_type, pipeline)

    def _way(self, method: EffectiveMethod, *, is_fallback: bool = False) -> _Way:
        """Return what sends a method to the upstream that its policy was merged for."""
        own = credential_options(self._resolved.upstreams[method.upstream].policy)
        fixed, withheld = own.fixed, self._withheld(method, is_fallback=is_fallback)
        upstream = self._upstreams[method.upstream]
        # What a credential is exchanged for is its caller's: answers are kept by it.
        unseen = withheld - {AUTHORIZATION} if own.caller is Caller.EXCHANGE else withheld
        options = self._options(method, unseen)
        policy, output = method.policy, method.answer
        codec = self._codec(policy.sizes.max_json_depth, habits_of(policy))
        encoder = RequestEncoder(method.bindings, codec, _with(request_options(policy), fixed))
        parts = RestParts(
            decoder=self._decoder(method, output, policy),
            headers=HeaderForwarding(
                policy.headers.forward_request,
                policy.headers.forward_response,
                withheld,
            ),
            upstream=upstream.name,
            client=upstream.client,
            options=replace(options.rest, own_credential=own.is_own),
            pool=self._schema.pool,
            clock=self._around.clock,
        )
        target = rest_target(method.method, parts, output, encoder)
        return _Way(options, upstream, encoder, target, unseen, parts)

    def _withheld(self, method: EffectiveMethod, *, is_fallback: bool) -> frozenset[str]:
        """Return the metadata that a method's upstream is never sent."""
        who = self._resolved.upstreams[method.upstream].policy
        forwarded = method.policy.headers.forward_request if is_fallback else ()
        known = self._around.credential_metadata
        withheld = withheld_names(caller_of(who, is_fallback=is_fallback), known, forwarded)
        if self._identity is None:
            return withheld
        return withheld | unread_metadata(method.policy.auth, self._identity)

    def _options(
        self, method: EffectiveMethod, withheld: frozenset[str] = frozenset()
    ) -> MethodOptions:
        descriptor = method.descriptor.input_type
        request = self._schema.new_message(descriptor)
        constraints = self._validation.of(method.policy, descriptor)
        return method_options(
            method,
            request.FromString,
            f"seawall/{__version__}",
            identity=self._identity,
            check=None if constraints is None else constraints.violations,
            catalog=self._resolved.catalog,
            withheld=withheld,
            canonical=self._canonical,
        )

    def _codec(self, max_depth: int, habits: Habits) -> JsonCodec:
        known = self._codecs.get((max_depth, habits))
        if known is None:
            known = JsonCodec(self._schema.pool, max_depth, habits)
            self._codecs[max_depth, habits] = known
        return known

    def _decoder(
        self, method: EffectiveMethod, message: Descriptor, policy: MethodPolicy
    ) -> AnswerDecoder:
        habits = habits_of(policy)
        codec = self._codec(policy.sizes.max_json_depth, habits)
        new_message = self._schema.new_message(message)
        root = policy.json.response_root
        fields = {k.lower(): v for k, v in policy.headers.response_fields.items()}
        if method.method.server_streaming:
            fields = {}
        return AnswerDecoder(
            new_message,
            codec,
            root.split(".") if root else (),
            ResponseHeaderFields(message, fields, habits, codec, new_message) if fields else None,
        )

    # Made of other methods' answers

    def _composed(self, method: EffectiveMethod) -> Pipeline:
        composition = self._resolved.compositions[method.method.full_name]
        clock, events = self._around.clock, self._around.events
        target: Target
        if composition.fan_out is not None:
            target = FanOutTarget(composition.fan_out, self._entry, clock, events)
        else:
            assert composition.scatter is not None
            target = ScatterTarget(composition.scatter, self._entry, clock, events)
        options, fallback = self._options(method), self._fallback(method)
        shared = self._shared(method, frozenset())
        outer, inner = composed_interceptors(options, self._around, fallback, shared)
        own = own_interceptors(options, self._around)
        return compose(method.method, outer, inner, target, own)
