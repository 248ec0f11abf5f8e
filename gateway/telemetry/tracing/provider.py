"""Where spans come from and go to.

Rules:
1. Whether a call is traced is decided before anything of it is made (`ingress/tracing.py`): every
   span that is begun here is sent. Nothing is global: two gateways in one process do not meet.
2. Spans are sent beside the calls, by a thread of the library, in batches of a bounded queue: what
   the collector does not take is dropped. No call waits for it.
3. At the end of the process what is there is sent, for `FLUSH_S` at most.
"""

import asyncio
from typing import Final

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Tracer

from gateway import __version__
from gateway.core.clock import Clock
from gateway.core.events import Event
from gateway.telemetry.tracing.failed import FailedCalls
from gateway.telemetry.tracing.notes import note_of
from gateway.telemetry.tracing.options import TracingOptions

FLUSH_S: Final = 2.0
_QUEUE: Final = 4096
_BATCH: Final = 512
_DELAY_MS: Final = 1000.0
_LIMITS: Final = SpanLimits(max_span_attributes=64, max_events=64, max_attribute_length=1024)


class Tracing:
    """The traces of one process; a listener of its events.

    Args:
        options: see above.
        exporter: sends spans.
        clock: for failures.

    Attributes:
        tracer: begins spans.
        sample_ratio: of calls whose callers say nothing.
    """

    def __init__(self, options: TracingOptions, exporter: SpanExporter, clock: Clock) -> None:
        name = {SERVICE_NAME: options.service_name} if options.service_name else {}
        resource = Resource.create({SERVICE_VERSION: __version__, **name})
        if not options.service_name and str(resource.attributes.get(SERVICE_NAME, "")).startswith(
            "unknown_service"
        ):
            resource = resource.merge(Resource({SERVICE_NAME: "seawall"}))
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, span_limits=_LIMITS
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=_QUEUE,
                schedule_delay_millis=_DELAY_MS,
                max_export_batch_size=_BATCH,
            )
        )
        self.tracer: Tracer = self._provider.get_tracer("seawall", __version__)
        self.sample_ratio = options.sample_ratio
        self._failed = FailedCalls(self.tracer, clock) if options.failures else None

    def __call__(self, event: Event) -> None:
        """Take note of an event, where its call is traced or has failed."""
        note_of(event)
        if self._failed is not None:
            self._failed(event)

    async def close(self) -> None:
        """Send what is there, and send no more."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._provider.force_flush(int(FLUSH_S * 1000))
        self._provider.shutdown()
