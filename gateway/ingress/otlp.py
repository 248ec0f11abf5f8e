"""How spans travel to a collector: OTLP, over gRPC or HTTP. Beside the calls, in a thread."""

from typing import Final

import grpc
from opentelemetry.sdk.trace.export import SpanExporter

from gateway.telemetry.tracing.options import TracingOptions

_TIMEOUT_S: Final = 5.0


def exporter(options: TracingOptions) -> SpanExporter:
    """Return what sends spans to the collector."""
    if options.over_http:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter as HttpExporter,
        )

        return HttpExporter(
            options.endpoint,
            certificate_file=None if options.ca_file is None else str(options.ca_file),
            headers=dict(options.headers),
            timeout=_TIMEOUT_S,
        )
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
        OTLPSpanExporter as GrpcExporter,
    )

    insecure = not options.endpoint.startswith("https:")
    return GrpcExporter(
        options.endpoint,
        insecure=insecure,
        credentials=None if insecure else grpc.ssl_channel_credentials(options.ca),
        headers=tuple(options.headers.items()),
        timeout=_TIMEOUT_S,
    )
