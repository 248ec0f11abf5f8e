"""The pipelines of the methods of a gateway: part of the composition root, beside `app.py`.

From effective policies to interceptors around targets (`chain.py` has their order). A
method is answered by REST, or by other methods' answers; calls of the gateway's own enter
a pipeline behind its decode step (`Entry`), and are found when they are first made, so
that pipelines may be built in any order.

What sends a method to an upstream is made in one place (`ways.py`), of the policy that was
merged for the two. Calls that are kept, and made later, have `kept.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from seawall.config.v1.config_pb2 import Identity

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
from gateway.compose.watch import WatchOptions, WatchTarget
from gateway.config.effective import EffectiveMethod
from gateway.config.operations.readers import (
    work_deduplication,
)
from gateway.config.resolve import Resolved
from gateway.config.schema import Schema
from gateway.config.sharing import group_key, watch_key
from gateway.config.upstream_credentials import (
    apart,
)
from gateway.core.call import Call, Target
from gateway.core.flight import Landing
from gateway.interceptors.deduplicate import CallKey
from gateway.kept import KeptMethods
from gateway.operations.accept import AcceptInterceptor, AcceptTarget
from gateway.operations.options import OperationOptions
from gateway.operations.steps import Steps
from gateway.operations.work import Doing
from gateway.pipeline import Pipeline, compose
from gateway.transcode.encode import EncodeInterceptor
from gateway.upstream import Upstream
from gateway.ways import Way, Ways


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
        self._ways = Ways(schema, resolved, upstreams, around, identity)
        self._resolved = resolved
        self._around = around
        self._methods = {method.method.full_name: method for method in resolved.methods}
        self._built: dict[str, Pipeline] = {}
        self.kept = KeptMethods(schema, resolved, around, self._ways.canonical)
        """The methods whose calls are kept, once all is built."""

    @property
    def has_operations(self) -> bool:
        """Whether calls of any method are kept, or may be."""
        return self._resolved.has_operations

    @property
    def answers(self) -> dict[str, type[Message]]:
        """What each method answers, by its full name."""
        new = self._schema.new_message
        return {name: new(m.descriptor.output_type) for name, m in self._methods.items()}

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
        """Return the pipeline of a method whose calls are kept, or may be."""
        way = self._ways.way(method) if method.bindings else None
        asked = self._ways.options(method) if way is None else way.options
        acceptor = self.kept.add(
            method, options, asked.deduplication, self._doing(options, method, way)
        )
        if way is not None and not method.is_later:
            return self._rest(method, way, self.kept.interceptor(method, options, acceptor))
        around = self._around
        outer, _ = (
            composed_interceptors(asked, around)
            if way is None
            else rest_interceptors(asked, way.encoder, way.upstream, around)
        )
        target = AcceptTarget(acceptor, around.events)
        return compose(method.method, outer, (), target, own_interceptors(asked, around))

    def _doing(self, options: OperationOptions, method: EffectiveMethod, way: Way | None) -> Doing:
        """Return what makes an attempt of a method's operations."""
        if options.steps:
            assert options.steps_answer is not None
            return Steps(options.steps, options.steps_answer, self._entry, self._around.clock)
        assert way is not None
        once = work_deduplication(method, way.options.deduplication, options)
        asked = replace(way.options, deduplication=once, cache=None, coalescing=None)
        shared, fallback = self._shared(method, way.withheld), self._fallback(method)
        _, inner = rest_interceptors(
            asked, way.encoder, way.upstream, self._around, fallback, shared
        )
        return self.kept.calls(method, options, way, inner, asked)

    # Answered by REST

    def _rest(
        self,
        method: EffectiveMethod,
        way: Way | None = None,
        accept: AcceptInterceptor | None = None,
    ) -> Pipeline:
        way = self._ways.way(method) if way is None else way
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
        header = method.policy.deduplication.header.lower()
        return FallbackInterceptor(composition.fallback, other, elsewhere, clock, events, header)

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
        way = self._ways.way(method, is_fallback=True)
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

    # Made of other methods' answers

    def _composed(self, method: EffectiveMethod) -> Pipeline:
        composition = self._resolved.compositions[method.method.full_name]
        clock, events = self._around.clock, self._around.events
        target: Target
        if composition.fan_out is not None:
            target = FanOutTarget(composition.fan_out, self._entry, clock, events)
        elif composition.watch is not None:
            target = self._watched(method, composition.watch)
        else:
            assert composition.scatter is not None
            target = ScatterTarget(composition.scatter, self._entry, clock, events)
        options, fallback = self._ways.options(method), self._fallback(method)
        shared = self._shared(method, frozenset())
        outer, inner = composed_interceptors(options, self._around, fallback, shared)
        own = own_interceptors(options, self._around)
        return compose(method.method, outer, inner, target, own)

    def _watched(self, method: EffectiveMethod, options: WatchOptions) -> WatchTarget:
        around, called = self._around, self._methods[options.method]
        key_of = watch_key(
            called.policy, method.method.full_name, around.credential_metadata, frozenset()
        )
        target = WatchTarget(options, self._entry, key_of, around.clock, around.rng, around.events)
        around.ending_streams.append(target.end)
        return target
