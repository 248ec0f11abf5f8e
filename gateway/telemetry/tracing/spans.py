"""The spans of a call that is traced: its own, and one for each attempt.

Names and values are those of OpenTelemetry's semantic conventions for RPC (servers) and HTTP
(clients); what they have no name for begins with "seawall.". Rules:
1. The span of a call is SERVER, named by its method. Its status is an error for what is the
   server's fault (UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS); a
   cancelled call is CANCELLED and no error.
2. The span of an attempt is CLIENT, a child of the call's, named by its verb and path template. It
   is an error from 4xx on, and where no answer came.
3. No span has what callers send: paths are templates, no query, no body. Messages of errors are
   those that the caller is told.
"""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.semconv._incubating.attributes.rpc_attributes import (
    RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE,
    RPC_SYSTEM_NAME,
)
from opentelemetry.semconv._incubating.attributes.url_attributes import URL_TEMPLATE
from opentelemetry.semconv.attributes.client_attributes import CLIENT_ADDRESS, CLIENT_PORT
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_RESEND_COUNT,
    HTTP_RESPONSE_STATUS_CODE,
)
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.core.call import Call, Metadata
from gateway.core.errors import CallError
from gateway.core.outcome import Outcome
from gateway.core.status import Code

SERVERS_FAULT: Final = frozenset(
    (
        *(Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED),
        *(Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS),
    )
)
"""Statuses that are an error of a server's span."""
ATTEMPT: Final = "seawall.attempt"
UPSTREAM: Final = "seawall.upstream"
REASON: Final = "seawall.reason"
ORIGIN: Final = "seawall.origin"
ATTEMPTS: Final = "seawall.attempts"
CALLER: Final = "seawall.caller"
_NAMES: Final = frozenset(("traceparent", "tracestate"))
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def context_of(metadata: Metadata) -> Context:
    """Return whose part a call is, as its metadata says (W3C Trace Context)."""
    told = {key: value for key, value in metadata if key in _NAMES and isinstance(value, str)}
    return _PROPAGATOR.extract(told, Context())


def server_attributes(method: str, peer: str) -> dict[str, Any]:
    """Return what is known of a call when it arrives.

    Args:
        method: full name, or "unknown/unknown".
        peer: in gRPC's notation.
    """
    told: dict[str, Any] = {RPC_SYSTEM_NAME: "grpc", RPC_METHOD: method}
    kind, _, where = peer.partition(":")
    if kind in ("ipv4", "ipv6"):
        address, _, port = where.rpartition(":")
        told[CLIENT_ADDRESS] = address.strip("[]").replace("%5B", "").replace("%5D", "")
        if port.isdecimal():
            told[CLIENT_PORT] = int(port)
    return told


def end_server_span(span: Span, call: Call, code: Code, error: CallError | None) -> None:
    """Say how a call ended."""
    span.set_attribute(RPC_RESPONSE_STATUS_CODE, code.name)
    span.set_attribute(ATTEMPTS, call.attempts)
    if call.identity is not None:
        span.set_attribute(CALLER, call.identity.key)
    if error is not None:
        span.set_attribute(REASON, str(error.reason))
        span.set_attribute(ORIGIN, str(error.origin))
    if code in SERVERS_FAULT:
        span.set_attribute(ERROR_TYPE, code.name)
        span.set_status(StatusCode.ERROR, "" if error is None else error.message)


class SpanOfAttempt:
    """One attempt; see core.tracing.AttemptTrace."""

    __slots__ = ("_span", "headers")

    def __init__(self, span: Span, context: Context) -> None:
        self._span = span
        self.headers: Mapping[str, str] = _headers(context)

    def end(self, call: Call, outcome: Outcome | None) -> None:
        """Say how it ended."""
        end_attempt_span(self._span, call, outcome)
        self._span.end()


def end_attempt_span(span: Span, call: Call, outcome: Outcome | None) -> None:
    """Say how an attempt ended; None where it was cancelled."""
    endpoint = call.endpoint
    if endpoint is not None:
        host, _, port = endpoint.address.rpartition(":")
        span.set_attribute(SERVER_ADDRESS, host)
        if port.isdecimal():
            span.set_attribute(SERVER_PORT, int(port))
    status = call.answer_status
    error = None if outcome is None else outcome.error
    if error is not None and error.http_status is not None:
        status = error.http_status
    if status:
        span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
    if outcome is None:
        span.set_attribute(ERROR_TYPE, "cancelled")
    elif error is not None:
        span.set_attribute(ERROR_TYPE, str(status) if status >= 400 else str(error.reason))
        span.set_attribute(REASON, str(error.reason))
        span.set_status(StatusCode.ERROR, error.message)


def attempt_attributes(call: Call, number: int, upstream: str) -> tuple[str, dict[str, Any]]:
    """Return the name of an attempt's span, and what is known of it when it begins."""
    told: dict[str, Any] = {ATTEMPT: number, UPSTREAM: upstream, RPC_METHOD: call.method.full_name}
    name = call.method.full_name
    binding = getattr(call.prepared, "binding", None)
    if binding is not None:
        told[HTTP_REQUEST_METHOD] = binding.verb
        told[URL_TEMPLATE] = binding.template.text
        name = f"{binding.verb} {binding.template.text}"
    if number > 1:
        told[HTTP_REQUEST_RESEND_COUNT] = number - 1
    return name, told


def _headers(context: Context) -> dict[str, str]:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context)
    return carrier


class SpanOfCall:
    """One call that is traced; see core.tracing.CallTrace.

    Args:
        tracer: begins spans.
        span: of the call.
    """

    __slots__ = ("_context", "_tracer", "span")

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self.span = span
        self._context = set_span_in_context(span, Context())

    def attempt(self, call: Call, number: int, upstream: str) -> SpanOfAttempt:
        """Begin an attempt."""
        name, told = attempt_attributes(call, number, upstream)
        span = self._tracer.start_span(name, self._context, SpanKind.CLIENT, told)
        return SpanOfAttempt(span, set_span_in_context(span, Context()))

    def note(self, name: str, value: str | int | bool) -> None:
        """Keep something of the call."""
        self.span.set_attribute(name, value)

    def ended(self, call: Call, code: Code, error: CallError | None) -> None:
        """Say how the call ended; its span is over when its handler is."""
        end_server_span(self.span, call, code, error)

    def event(self, name: str, said: Mapping[str, str | int | float | bool]) -> None:
        """Keep that something happened now."""
        self.span.add_event(name, said)
