"""From what grpc hands over to a Call, and from its Outcome to what grpc sends.

The first step of every call. One generic handler serves all methods: requests
and answers are bytes, so that a pipeline can refuse a call unread, and decide
itself what a malformed message is told. Failed calls end without a message
(trailers only), which is what lets a client's own retries work (gRFC A6).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc

from gateway.core.call import Call, Metadata, MethodInfo, Sink
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.status import Code
from gateway.dispatch import Dispatch
from gateway.ingress.gate import Gate
from gateway.ingress.reflection import SERVICES as REFLECTION
from gateway.ingress.status import to_trailers
from gateway.ingress.unserved import UnservedCall, not_served
from gateway.pipeline import Pipeline

_log = logging.getLogger(__name__)

_END_S = 0.005
"""How long the end of a caller's stream is held until it is believed; see _Requests."""

if TYPE_CHECKING:
    from gateway.ingress.tracing import TracedHandlers

    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:  # generic in the stubs only
    Context = grpc.aio.ServicerContext
    Handler = grpc.RpcMethodHandler


class _OneAnswer(Call):
    """A call whose answer is one message, kept for the library to send."""

    __slots__ = ("answer",)

    answer: bytes

    async def send(self, payload: bytes) -> None:
        """Keep the answer."""
        self.sent += 1
        self.answer = payload


C = TypeVar("C", bound=Call)
Begin = Callable[[Call], None]
"""Lets a call know that it is traced."""


class CallHandler(grpc.GenericRpcHandler):
    """Finds the pipeline of each call and runs it.

    Args:
        dispatch: the pipelines.
        gate: counts and holds.
        clock: fixes the arrival.
        unserved: what calls of other methods go through.
        services: full names of those that are served, None for all.
        tracing: of calls that are traced; None where none are.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        gate: Gate,
        clock: Clock,
        unserved: Pipeline,
        services: frozenset[str] | None = None,
        tracing: "TracedHandlers | None" = None,
    ) -> None:
        self._tracing = tracing
        self._gate = gate
        self._unserved = unserved
        self._clock = clock
        everywhere = frozenset(dispatch.services())
        self._services = everywhere if services is None else everywhere & services
        self._elsewhere = everywhere - self._services
        served = [p for p in dispatch if p.method.service in self._services]
        self._handlers = {p.method.path: self._rpc_handler(p) for p in served}
        self._traced: dict[str, Handler] = {}
        if tracing is not None:
            self._traced = {
                p.method.path: tracing.wrap(self._rpc_handler(p, tracing.begin), p.method.full_name)
                for p in served
            }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the handler of a method; for one that is not served, its refusal."""
        handlers, path = self._handlers, handler_call_details.method
        tracing = self._tracing
        if tracing is not None and tracing.sampled(handler_call_details.invocation_metadata):
            handlers = self._traced
        return handlers.get(path) or self._unknown(path)

    def _rpc_handler(self, pipeline: Pipeline, begin: "Begin | None" = None) -> Handler:
        method = pipeline.method
        if method.client_streaming and method.server_streaming:
            return grpc.stream_stream_rpc_method_handler(self._streaming(pipeline, begin))
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(self._unary(pipeline, begin))
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(pipeline, begin))
        return grpc.unary_unary_rpc_method_handler(self._unary(pipeline, begin))

    def _unary(self, pipeline: Pipeline, begin: "Begin | None") -> Any:
        """Return the handler of a method that answers with one message."""
        new_call = self._new_call

        async def handle(request: Any, context: Context) -> bytes:
            call = new_call(_OneAnswer, pipeline.method, _no_sink, request, context)
            call.answer = b""
            if begin is not None:
                begin(call)
            await self._run(pipeline, call, context)
            return call.answer

        return handle

    def _streaming(self, pipeline: Pipeline, begin: "Begin | None") -> Any:
        """Return the handler of a method that answers with a stream."""

        async def handle(request: Any, context: Context) -> None:
            call = self._new_call(Call, pipeline.method, context.write, request, context)
            if begin is not None:
                begin(call)
            await self._run(pipeline, call, context)

        return handle

    def _new_call(
        self, kind: type[C], method: MethodInfo, sink: Sink, request: Any, context: Context
    ) -> C:
        arrived_at = self._clock.now()
        remaining_s = context.time_remaining()
        streamed: AsyncIterator[bytes] | None = None
        if method.client_streaming:
            streamed, request = _Requests(request, self._clock), b""
        return kind(
            method,
            sink,
            arrived_at=arrived_at,
            metadata=cast("Metadata", context.invocation_metadata() or ()),
            peer=context.peer(),
            deadline_at=None if remaining_s is None else arrived_at + remaining_s,
            request=request,
            requests=streamed,
        )

    async def _run(self, pipeline: Pipeline, call: Call, context: Context) -> None:
        gate = self._gate
        task = asyncio.current_task()
        gate.enter(task)
        try:
            try:
                if gate.holding:
                    await gate.wait()
                error = (await pipeline.run(call)).error
            except CallError as raised:
                error = raised
            except asyncio.CancelledError:
                if not gate.is_cut or task is None:
                    raise
                task.uncancel()
                error = _cut()
            except Exception:
                _log.exception("the gateway failed in %s", pipeline.method.full_name)
                text = "the gateway failed; see its log"
                error = CallError(Code.INTERNAL, Reason.INTERNAL, text)
            if error is not None:
                status, message, trailers = to_trailers(error, call.attempts)
                await context.abort(status, message, (*call.trailing_metadata, *trailers))
            if call.trailing_metadata:
                context.set_trailing_metadata(tuple(call.trailing_metadata))
        finally:
            gate.leave(task)

    def _unknown(self, path: str) -> Handler:
        """Return a handler that answers UNIMPLEMENTED and says what there is."""
        pipeline = self._unserved

        async def handle(_request: Any, context: Context) -> None:
            call = self._new_call(UnservedCall, pipeline.method, _no_sink, b"", context)
            call.refusal = not_served(
                path,
                self._services,
                self._elsewhere,
                can_list=not self._services.isdisjoint(REFLECTION),
            )
            await self._run(pipeline, call, context)

        return grpc.stream_stream_rpc_method_handler(handle)


class _Requests(AsyncIterator[bytes]):
    """The messages of a caller's stream, up to an end that the caller meant.

    The library tells of a stream that was reset (a cancel, a deadline, a lost connection)
    as of one that ended, and only then of the cancellation, which follows within a turn of
    the event loop or two. An upstream would take what came so far for the whole of an
    upload. The end is therefore told when no cancellation has followed it for a moment.
    """

    def __init__(self, requests: AsyncIterator[bytes], clock: Clock) -> None:
        self._requests = requests
        self._clock = clock
        self._ended = False

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._requests)
        except StopAsyncIteration:
            if not self._ended:
                await self._clock.sleep(_END_S)
                self._ended = True
            raise


async def _no_sink(_payload: bytes) -> None:
    raise NotImplementedError  # never reached: _OneAnswer keeps its answer, it sends nothing


def _cut() -> CallError:
    return CallError(
        Code.UNAVAILABLE,
        Reason.DRAINING,
        "the gateway is shutting down and the call took longer than its grace",
        sent=Sent.UNKNOWN,
        transient=True,
    )
