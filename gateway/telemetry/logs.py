"""One line a call, each retry, each change of an upstream's state and stage of the end.

Console or JSON, to standard error. No metadata and no body is ever logged. A failed call's
`reason` is the gateway's own; where its caller was told another, that of the error catalog,
it is the line's `catalog_reason`: what a caller quotes is found by either. Changes of state
are warnings; that a breaker looks whether its upstream is back, and finds that it is not, is
told at the level "debug", for it happens several times a second while an outage lasts.
"""

import datetime
import logging
import sys
from typing import Any, BinaryIO

import orjson
import structlog

from gateway.core.call import Metadata
from gateway.core.clock import SystemClock
from gateway.core.events import (
    AttemptEnded,
    BreakerChanged,
    CallEnded,
    DrainStage,
    EndpointChanged,
    Event,
    LimitExceeded,
    MaterialChanged,
    OperationAttempted,
    OperationEnded,
    OverloadChanged,
    PacingChanged,
    RecordUnknown,
    RetryScheduled,
    StoreChanged,
    UpstreamReachability,
)

_wall = SystemClock.wall
_LINE = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
_OWN = ("grpc.health.", "grpc.reflection.")
_CHANGES: dict[type, str] = {
    BreakerChanged: "breaker",
    EndpointChanged: "endpoint",
    UpstreamReachability: "upstream",
    PacingChanged: "pacing",
    OverloadChanged: "overload",
    StoreChanged: "store",
    MaterialChanged: "material",
}
"""Events of which every field is told, and how their lines are called."""


def configure(log_format: str, level: str) -> "AccessLog":
    """Set up structlog and the standard logging to one stream; return what logs calls.

    Args:
        log_format: "console" or "json".
        level: "debug", "info", "warning" or "error".
    """
    number = getattr(logging, level.upper())
    timestamper = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Any] = [structlog.processors.add_log_level, timestamper]
    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        # The default shows local variables, and with them what callers sent.
        exception_formatter=structlog.dev.plain_traceback,
    )
    factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    foreign: Any = renderer
    chain: list[Any] = [*shared, structlog.processors.format_exc_info, renderer]
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer(serializer=orjson.dumps)
        chain[-1] = renderer
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
        foreign = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, foreign],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    return AccessLog(sys.stderr.buffer if log_format == "json" else None)


def _request_id(metadata: Metadata) -> str | None:
    for key, value in metadata:
        if key == "x-request-id" and isinstance(value, str):
            return value[:128]
    return None


def _probes(event: BreakerChanged) -> bool:
    """Tell whether a breaker only looks whether its upstream is back."""
    return event.after == "half_open" or (event.before, event.after) == ("half_open", "open")


class AccessLog:
    """A listener that writes lines. Make it after `configure`.

    Args:
        lines: where the lines of calls go as JSON, each in one step because there are so
            many of them; None sends them the way of all others.
    """

    def __init__(self, lines: BinaryIO | None = None) -> None:
        self._log: Any = structlog.get_logger().bind()
        self._enabled: bool = self._log.is_enabled_for(logging.INFO)
        self._lines = lines

    def __call__(self, event: Event) -> None:
        """Write the line of an event, where it has one."""
        if isinstance(event, AttemptEnded):
            return
        if isinstance(event, CallEnded):
            if self._enabled:
                self._call(event)
        elif isinstance(event, RetryScheduled):
            self._retry(event)
        elif isinstance(event, DrainStage):
            self._log.info("drain", stage=event.stage, calls_in_flight=event.calls_in_flight)
        elif (name := _CHANGES.get(type(event))) is not None:
            fields = dict(zip(event._fields, event, strict=True))
            if isinstance(event, BreakerChanged):
                fields["breaker"] = fields.pop("name")
            self._writer(event)(name, **fields)
        elif isinstance(event, RecordUnknown):
            method = event.call.method.full_name
            self._log.warning("outcome_unknown", method=method, name=event.name)
        elif isinstance(event, OperationAttempted | OperationEnded):
            self._operation(event)
        elif isinstance(event, LimitExceeded) and event.shadow:
            method = event.call.method.full_name
            self._log.info("limit", method=method, limit=event.limit, shadow=True)

    def _writer(self, event: Event) -> Any:
        if isinstance(event, BreakerChanged) and _probes(event):
            return self._log.debug
        if isinstance(event, MaterialChanged) and event.accepted:
            return self._log.info
        if isinstance(event, StoreChanged) and event.available:
            return self._log.info
        return self._log.warning

    def _call(self, event: CallEnded) -> None:
        call = event.call
        error = event.outcome.error if event.outcome is not None else None
        if error is None and call.method.service.startswith(_OWN):
            return  # probes come every second and say nothing
        fields: dict[str, Any] = {
            "method": call.method.full_name,
            "code": event.code.name,
            "duration_ms": round(event.duration_s * 1000, 2),
            "attempts": call.attempts,
            "peer": call.peer,
        }
        if call.identity is not None:
            fields["caller"] = call.identity.key
        if (request_id := _request_id(call.metadata)) is not None:
            fields["request_id"] = request_id
        if call.method.server_streaming:
            fields["messages"] = call.sent
        if error is not None:
            fields |= {
                "reason": str(error.reason),
                "origin": str(error.origin),
                "error": error.message,
            }
            known = error.known_as
            if known is not None and known.name != error.reason:
                fields["catalog_reason"] = known.name
        if self._lines is None:
            self._log.info("call", **fields)
            return
        fields["event"] = "call"
        fields["level"] = "info"
        fields["timestamp"] = datetime.datetime.fromtimestamp(_wall(), datetime.UTC)
        self._lines.write(orjson.dumps(fields, None, _LINE))
        self._lines.flush()

    def _operation(self, event: OperationAttempted | OperationEnded) -> None:
        fields: dict[str, Any] = {
            "method": event.method.full_name,
            "operation": event.operation,
        }
        if isinstance(event, OperationAttempted):
            error = event.outcome.error
            if error is not None:
                fields |= {"attempt": event.attempt, "error": error.message}
                if event.next_in_s is not None:
                    fields["next_in_s"] = round(event.next_in_s, 1)
                self._log.warning("operation_attempt", **fields)
            return
        fields |= {
            "state": event.state,
            "attempts": event.attempts,
            "age_s": round(event.age_s, 3),
        }
        if event.why:
            fields["error"] = event.why
        # A dead letter waits for somebody: it is to wake people up.
        level = {"dead": self._log.error, "failed": self._log.warning}
        level.get(event.state, self._log.info)("operation", **fields)

    def _retry(self, event: RetryScheduled) -> None:
        error = event.outcome.error
        self._log.info(
            "retry",
            method=event.call.method.full_name,
            attempt=event.attempt,
            delay_ms=round(event.delay_s * 1000, 1),
            error=error.message if error is not None else "",
        )
