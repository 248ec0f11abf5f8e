"""The traces of one process: part of the composition root, beside `app.py`.

OpenTelemetry is loaded where a collector is said, and nowhere else: that takes a tenth of a second.
"""

from typing import TYPE_CHECKING

from gateway.config.document import Document
from gateway.config.tracing import tracing_options
from gateway.core.clock import Clock, Rng

if TYPE_CHECKING:
    from gateway.ingress.tracing import TracedHandlers
    from gateway.telemetry.tracing.provider import Tracing


def tracing_of(document: Document, clock: Clock) -> "Tracing | None":
    """Return what makes and sends spans, None where the configuration names no collector."""
    options = tracing_options(document.config.tracing, document.folder)
    if options is None:
        return None
    from gateway.ingress.otlp import exporter
    from gateway.telemetry.tracing.provider import Tracing

    return Tracing(options, exporter(options), clock)


def traced_handlers(tracing: "Tracing | None", rng: Rng) -> "TracedHandlers | None":
    """Return what traces calls, None where none are."""
    if tracing is None:
        return None
    from gateway.ingress.tracing import Sampler, TracedHandlers

    return TracedHandlers(tracing.tracer, Sampler(tracing.sample_ratio, rng))
