"""Calls that are traced: opentelemetry-instrumentation-grpc's interceptor, made right for us.

Where it stands: `handler.py` looks here at every call. Rules:
1. Whether a call is traced is decided by its metadata alone, before a handler is chosen: by the
   flag of its caller's `traceparent`, else by lot. What is not traced meets nothing of the library.
2. The library's interceptor is used as it is meant, once for each method instead of once a call.
   What it gets wrong is done here: handlers that write their streams themselves; a status for
   calls that are cancelled, late or aborted, once; the names of today's semantic conventions;
   no baggage, which is anybody's word, in the context of what the gateway does.
3. The span of a call lasts until its handler is over, its status sent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor
from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span, use_span

from gateway.core.call import Call, Metadata
from gateway.core.clock import Rng
from gateway.telemetry.tracing.spans import SpanOfCall, context_of, server_attributes

_TRACEPARENT: Final = "traceparent"
_SAMPLED: Final = 1


class _Details(NamedTuple):
    """What the library wants to know of a call before there is one."""

    method: str
    invocation_metadata: Metadata = ()


class Sampler:
    """Says which calls are traced.

    Args:
        ratio: of those whose callers say nothing.
        rng: draws.
    """

    def __init__(self, ratio: float, rng: Rng) -> None:
        self._ratio = ratio
        self._random = rng.random

    def __call__(self, metadata: Metadata | None) -> bool:
        """Tell whether a call with this metadata is traced."""
        for key, value in metadata or ():
            if key == _TRACEPARENT and isinstance(value, str):
                return _is_sampled(value)
        return self._ratio > 0 and self._random() < self._ratio


def _is_sampled(traceparent: str) -> bool:
    """Read the flags of a `traceparent` (W3C Trace Context, 3.2); of one that is none: no."""
    parts = traceparent.strip().split("-")
    if len(parts) < 4 or len(parts[3]) != 2:
        return False
    try:
        return bool(int(parts[3], 16) & _SAMPLED)
    except ValueError:
        return False


class TracedHandlers(OpenTelemetryAioServerInterceptor):
    """Wraps handlers of methods whose calls are traced.

    Args:
        tracer: begins spans.
        sampled: tells which calls are traced, by their metadata.
    """

    def __init__(self, tracer: Tracer, sampled: Callable[[Metadata | None], bool]) -> None:
        # The library has no types here.
        super().__init__(tracer)  # type: ignore[no-untyped-call]
        self._of_spans = tracer
        self.sampled = sampled

    def wrap(self, handler: Any, method: str) -> Any:
        """Return a handler that does the same, within a span.

        Args:
            handler: of a method.
            method: full name; "unknown/unknown" for what is not served.
        """

        async def found(_details: Any) -> Any:
            return handler

        # Nor here.
        wrapping = self.intercept_service(  # type: ignore[no-untyped-call]
            found, _Details(f"/{method}")
        )
        try:
            wrapping.send(None)
        except StopIteration as wrapped:  # it has nothing to wait for
            return wrapped.value
        raise RuntimeError("the library waits for something before there is a call")

    def _intercept_aio_server_unary(self, behavior: Any, handler_call_details: Any) -> Any:
        async def traced(request: Any, context: Any) -> Any:
            with self._set_remote_context(context), self._start_span(handler_call_details, context):
                return await behavior(request, context)

        return traced

    # Streams are written by their handlers, which are coroutines as well.
    _intercept_aio_server_stream = _intercept_aio_server_unary

    @contextmanager
    def _set_remote_context(self, servicer_context: Any) -> Iterator[None]:
        token = attach(context_of(servicer_context.invocation_metadata() or ()))
        try:
            yield
        finally:
            detach(token)

    @contextmanager
    def _start_span(
        self, handler_call_details: Any, context: Any, set_status_on_exception: bool = False
    ) -> Iterator[Span]:
        method = handler_call_details.method.lstrip("/")
        span = self._of_spans.start_span(
            method, kind=SpanKind.SERVER, attributes=server_attributes(method, context.peer())
        )
        with use_span(
            span,
            end_on_exit=True,
            record_exception=False,
            set_status_on_exception=set_status_on_exception,
        ):
            yield span

    def begin(self, call: Call) -> None:
        """Let a call know that it is traced, within its span."""
        call.trace = SpanOfCall(self._of_spans, get_current_span())
