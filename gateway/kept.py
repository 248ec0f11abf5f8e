"""The methods whose calls are kept, or may be: part of the composition root.

What the pipelines of such methods end in, and how what they keep is made.
"""

from collections.abc import Callable, Sequence

from seawall.policy.v1.policy_pb2 import DeduplicationPolicy

from gateway.chain import Surroundings, attempt_interceptors
from gateway.config.effective import EffectiveMethod, MethodOptions
from gateway.config.operations.readers import accepted_answer, call_readers
from gateway.config.resolve import Resolved
from gateway.config.schema import Schema
from gateway.config.sharing import DeclaredDeduplication
from gateway.core.call import Interceptor
from gateway.operations.accept import AcceptInterceptor, Acceptor
from gateway.operations.message import OperationMessages
from gateway.operations.options import OperationOptions
from gateway.operations.polling import AcceptedTarget, EndTarget, PolledCall
from gateway.operations.work import Doing, OneCall, Work
from gateway.pipeline import compose
from gateway.transcode.canonical import Canonical
from gateway.ways import Way


def _nobody() -> None:
    """Wake nobody: this process has no workers."""


class KeptMethods:
    """Knows how operations are made and told, of every method that has any.

    Args:
        schema: message classes.
        resolved: what is served.
        around: clock, randomness, events, the store.
        canonical: makes fingerprints.

    Attributes:
        messages: what callers are told of operations.
        works: how operations are made, by the full name of their method.
        wake: called when something was accepted.
    """

    def __init__(
        self, schema: Schema, resolved: Resolved, around: Surroundings, canonical: Canonical
    ) -> None:
        self._schema = schema
        self._resolved = resolved
        self._around = around
        self._canonical = canonical
        self._options: dict[str, OperationOptions] = {}
        self.messages = OperationMessages(self._options)
        self.works: dict[str, Work] = {}
        self.wake: Callable[[], None] = _nobody

    def add(
        self,
        method: EffectiveMethod,
        options: OperationOptions,
        once: DeclaredDeduplication | None,
        do: Doing,
    ) -> Acceptor:
        """Return what keeps calls of a method.

        Args:
            method: which.
            options: of its operations.
            once: how its calls are known again.
            do: makes an attempt.
        """
        around = self._around
        assert around.operations is not None
        self._options[method.method.full_name] = options
        request = self._schema.new_message(method.descriptor.input_type)
        self.works[method.method.full_name] = Work(method.method, request, options, do)
        return Acceptor(
            method.method,
            options,
            call_readers(method, once, options, around.credential_metadata, self._canonical),
            around.operations,
            self.messages,
            lambda: self.wake(),
            around.events,
        )

    def interceptor(
        self, method: EffectiveMethod, options: OperationOptions, acceptor: Acceptor
    ) -> AcceptInterceptor:
        """Return what keeps calls of a method while its upstream is away."""
        around, once = self._around, method.policy.deduplication
        again = (DeduplicationPolicy.RESEND, DeduplicationPolicy.LOOKUP)
        answer = self._schema.new_message(method.descriptor.output_type)
        return AcceptInterceptor(
            acceptor,
            options,
            accepted_answer(answer, options.accepted_in),
            may_repeat=method.idempotency[0] or (not once.disabled and once.on_unknown in again),
            clock=around.clock,
            rng=around.rng,
            events=around.events,
        )

    def calls(
        self,
        method: EffectiveMethod,
        options: OperationOptions,
        way: Way,
        inner: Sequence[Interceptor],
        asked: MethodOptions,
    ) -> Doing:
        """Return what makes an attempt that is a call, and questions where it is polled.

        Args:
            method: which.
            options: of its operations.
            way: to its upstream.
            inner: what the call passes.
            asked: options of that.
        """
        if options.poll is None:
            return OneCall(compose(method.method, (), inner, way.target).run)
        url = self._resolved.upstreams[method.upstream].policy.url
        first = AcceptedTarget(way.parts, options.poll, url)
        then = EndTarget(way.parts, options.poll)
        questions = attempt_interceptors(asked, way.upstream, self._around)
        return PolledCall(
            compose(method.method, (), inner, first).run,
            compose(method.method, (), questions, then).run,
            options.poll,
            method.bindings[0],
            dict(way.encoder.headers),
        )
