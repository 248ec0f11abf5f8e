"""A collector of traces: OTLP over gRPC and HTTP, on free ports, that keeps what it is sent."""

import asyncio
from typing import Any

import grpc
from aiohttp import web
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2,
    trace_service_pb2_grpc,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from .upstream import Upstream

Span = trace_pb2.Span


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps spans.

    Attributes:
        spans: in the order in which they came.
        resources: attributes of who sent them.
        metadata: of each request.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self.metadata: list[dict[str, str]] = []
        self.http = Upstream(self._answer)
        self.http.record = False

    async def __aenter__(self) -> "Collector":
        self._server = grpc.aio.server()
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.grpc_url = f"http://127.0.0.1:{port}"
        await self._server.start()
        await self.http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.__aexit__(None, None, None)
        await self._server.stop(None)

    @property
    def http_url(self) -> str:
        return f"{self.http.url}/v1/traces"

    async def Export(self, request: Any, context: Any) -> Any:
        self._take(request, dict(context.invocation_metadata()))
        return trace_service_pb2.ExportTraceServiceResponse()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        told = trace_service_pb2.ExportTraceServiceRequest()
        told.ParseFromString(await request.read())
        self._take(told, {name.lower(): value for name, value in request.headers.items()})
        return web.Response(content_type="application/x-protobuf")

    def _take(self, request: Any, metadata: dict[str, str]) -> None:
        self.metadata.append(metadata)
        for resource in request.resource_spans:
            self.resources.append(said(resource.resource))
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name, the earliest first."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    async def until(self, count: int, limit_s: float = 10.0) -> list[Span]:
        """Return all spans once there are so many."""
        async with asyncio.timeout(limit_s):
            while len(self.spans) < count:
                await asyncio.sleep(0.02)
        return self.spans


def said(carrier: Any) -> dict[str, Any]:
    """Return the attributes of a span, an event or a resource."""
    found: dict[str, Any] = {}
    for one in carrier.attributes:
        kind = one.value.WhichOneof("value")
        found[one.key] = getattr(one.value, kind) if kind else None
    return found
