"""What sends methods to the upstreams that their policies were merged for.

The method's own upstream and one that is a fallback differ in nothing else. Part of the
composition root, beside `pipelines.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor
from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway import __version__
from gateway.chain import Surroundings
from gateway.config.effective import EffectiveMethod, MethodOptions, method_options
from gateway.config.resolve import Resolved
from gateway.config.schema import Schema
from gateway.config.upstream_credentials import (
    AUTHORIZATION,
    caller_of,
    credential_options,
    unread_metadata,
    withheld_names,
)
from gateway.config.validation import Validation
from gateway.config.writing import habits_of, request_options
from gateway.core.call import Target
from gateway.downstream.credentials import Caller
from gateway.transcode.canonical import Canonical
from gateway.transcode.codec import JsonCodec
from gateway.transcode.decode import AnswerDecoder
from gateway.transcode.encode import RequestEncoder, RequestOptions
from gateway.transcode.habits import Habits
from gateway.transcode.header_fields import ResponseHeaderFields
from gateway.transcode.headers import HeaderForwarding
from gateway.transcode.kinds import rest_target
from gateway.transcode.target import RestParts
from gateway.upstream import Upstream


class Way(NamedTuple):
    """A method over one upstream: everything here is of the same policy."""

    options: MethodOptions
    upstream: Upstream
    encoder: RequestEncoder
    target: Target
    withheld: frozenset[str]
    parts: RestParts


def _with(options: RequestOptions, headers: Mapping[str, str]) -> RequestOptions:
    return replace(options, headers={**options.headers, **headers}) if headers else options


class Ways:
    """Makes them.

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
        self.canonical = Canonical(schema.unpacked)
        """Makes fingerprints of requests."""
        self._resolved = resolved
        self._upstreams = upstreams
        self._around = around
        self._codecs: dict[tuple[int, Habits], JsonCodec] = {}

    def way(self, method: EffectiveMethod, *, is_fallback: bool = False) -> Way:
        """Return what sends a method to the upstream that its policy was merged for."""
        own = credential_options(self._resolved.upstreams[method.upstream].policy)
        fixed, withheld = own.fixed, self._withheld(method, is_fallback=is_fallback)
        upstream = self._upstreams[method.upstream]
        # What a credential is exchanged for is its caller's: answers are kept by it.
        unseen = withheld - {AUTHORIZATION} if own.caller is Caller.EXCHANGE else withheld
        options = self.options(method, unseen)
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
            credentials=frozenset(self._around.credential_metadata),
        )
        target = rest_target(method.method, parts, output, encoder)
        return Way(options, upstream, encoder, target, unseen, parts)

    def _withheld(self, method: EffectiveMethod, *, is_fallback: bool) -> frozenset[str]:
        """Return the metadata that a method's upstream is never sent."""
        who = self._resolved.upstreams[method.upstream].policy
        forwarded = method.policy.headers.forward_request if is_fallback else ()
        known = self._around.credential_metadata
        withheld = withheld_names(caller_of(who, is_fallback=is_fallback), known, forwarded)
        if self._identity is None:
            return withheld
        return withheld | unread_metadata(method.policy.auth, self._identity)

    def options(
        self, method: EffectiveMethod, withheld: frozenset[str] = frozenset()
    ) -> MethodOptions:
        """Return the options of a method's mechanisms.

        Args:
            method: with its merged policy.
            withheld: metadata that its upstream is never sent.
        """
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
            canonical=self.canonical,
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
