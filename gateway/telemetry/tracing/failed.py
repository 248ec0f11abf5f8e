"""Calls that fail and were not sampled: their spans are made at the end, of what is known then.

Rules:
1. Told are failures by the server's fault (spans.SERVERS_FAULT but UNIMPLEMENTED), the call and its
   attempts, with their times. A call that is traced anyway is left alone.
2. At most `A_SECOND` calls a second, `BURST` at once: an outage is told by examples.
3. What an attempt was is kept with its call, `MOST_ATTEMPTS` of them, until that is over.
"""

from typing import Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Tracer, set_span_in_context

from gateway.core.call import Call
from gateway.core.clock import Clock
from gateway.core.events import AttemptEnded, CallEnded, Event
from gateway.core.outcome import Outcome
from gateway.core.status import Code
from gateway.telemetry.tracing.spans import (
    SERVERS_FAULT,
    attempt_attributes,
    context_of,
    end_attempt_span,
    end_server_span,
    server_attributes,
)

A_SECOND: Final = 50.0
BURST: Final = 50
MOST_ATTEMPTS: Final = 16
_NS: Final = 1e9


class _Past(NamedTuple):
    """An attempt that is over."""

    call: Call
    number: int
    outcome: Outcome | None
    ended_at: float
    duration_s: float


class FailedCalls:
    """Makes the spans of failed calls.

    Args:
        tracer: begins spans.
        clock: for their times.
    """

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock
        self._told_until = float("-inf")

    def __call__(self, event: Event) -> None:
        """Keep what an attempt was; tell of a call that failed."""
        if isinstance(event, AttemptEnded):
            if event.call.trace is None:
                self._keep(event)
        elif isinstance(event, CallEnded) and event.code in _TOLD and event.call.trace is None:
            self._tell(event)

    def _keep(self, event: AttemptEnded) -> None:
        root = event.call.root
        past: Any = root.past
        if past is None:
            past = root.past = []
        if len(past) < MOST_ATTEMPTS:
            now = self._clock.wall()
            past.append(_Past(event.call, event.attempt, event.outcome, now, event.duration_s))

    def _tell(self, event: CallEnded) -> None:
        now = self._clock.now()
        told_until = max(self._told_until, now - BURST / A_SECOND) + 1 / A_SECOND
        if told_until > now:
            return
        self._told_until = told_until
        call, ended_at = event.call, self._clock.wall()
        span = self._tracer.start_span(
            call.method.full_name,
            context_of(call.metadata),
            SpanKind.SERVER,
            server_attributes(call.method.full_name, call.peer),
            start_time=round((ended_at - event.duration_s) * _NS),
        )
        inside = set_span_in_context(span, Context())
        for one in call.past or ():
            self._attempt(one, inside)
        error = None if event.outcome is None else event.outcome.error
        end_server_span(span, call, event.code, error)
        span.end(round(ended_at * _NS))

    def _attempt(self, one: _Past, inside: Context) -> None:
        error = None if one.outcome is None else one.outcome.error
        upstream = "" if error is None else error.upstream
        name, told = attempt_attributes(one.call, one.number, upstream)
        began_ns = round((one.ended_at - one.duration_s) * _NS)
        span = self._tracer.start_span(name, inside, SpanKind.CLIENT, told, start_time=began_ns)
        end_attempt_span(span, one.call, one.outcome)
        span.end(round(one.ended_at * _NS))


_TOLD: Final = SERVERS_FAULT - {Code.UNIMPLEMENTED}
