"""What the fuzz tests throw random bytes at: the way of a call, in this process.

Sockets are left out on the side of the caller, so that many calls go through; the upstream is
a real HTTP server. What must never happen:

1. An exception out of a pipeline that is not a CallError.
2. A status that blames the gateway or the upstream for what the caller sent: bad input is
   the caller's, and everything else is answered.
3. A request at the upstream whose path leaves the template of its method, or whose headers
   hold what the caller may not say.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web
from support.upstream import Upstream

from gateway.app import Gateway, Settings, load
from gateway.config.resolve import Flags
from gateway.core.call import Call, Metadata
from gateway.core.errors import CallError
from gateway.core.outcome import Outcome
from gateway.core.status import Code
from gateway.pipeline import Pipeline

PROTOS = Path(__file__).parent.parent / "protos" / "shop"
CONFIG = Path(__file__).with_name("edge.yaml")
CALLERS_FAULT = frozenset(
    (
        *(Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED, Code.UNAUTHENTICATED),
        *(Code.PERMISSION_DENIED, Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.FAILED_PRECONDITION),
        *(Code.OUT_OF_RANGE, Code.ABORTED, Code.ALREADY_EXISTS),
    )
)
"""Statuses that bad input may have."""
_TEMPLATES = ("/v1/orders", "/v1/orders:watch")
_FORWARDED = frozenset(
    (
        *(
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "x-server-timeout",
            "content-type",
            "idempotency-key",  # a key makes one call of several, whoever sends it
            "content-length",
        ),
        *("authorization", "traceparent", "tracestate", "baggage", "x-request-id"),
        *("transfer-encoding",),
    )
)


class WrongError(AssertionError):
    """Something happened that must not."""


class Edge:
    """A gateway whose pipelines are called without sockets."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def start(self) -> None:
        """Make the upstream, which answers everything, and the gateway."""
        self._upstream = Upstream(self._answer)
        self._upstream.record = False
        await self._upstream.__aenter__()
        settings = Settings(
            proto=PROTOS,
            config=CONFIG,
            listen="127.0.0.1:0",
            ops_listen="off",
            flags=Flags((), {"": self._upstream.url}),
        )
        self._gateway = Gateway(settings, load(settings))
        await self._gateway.start()
        by_path = sorted(self._gateway.dispatch, key=lambda p: p.method.path)
        self.pipelines = [one for one in by_path if one.method.name != "Watch"]  # has no end

    async def stop(self) -> None:
        """End both."""
        await self._gateway.stop()
        await self._upstream.__aexit__(None, None, None)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        rest = path.removeprefix("/v1/orders")
        segments = rest.removeprefix("/").split("/")
        outside = path != f"/v1/orders{rest}" or len(segments) > 1 or segments[0] in (".", "..")
        if outside:
            self.seen.append(f"path {path!r}")
        if more := {name.lower() for name in request.headers} - _FORWARDED:
            self.seen.append(f"headers {more}")
        await request.read()
        return web.json_response({})

    async def call(self, pipeline: Pipeline, request: bytes, metadata: Metadata) -> Outcome:
        """Run one call; raise WrongError where something happens that must not."""
        method = pipeline.method
        call = Call(
            method,
            _take,
            arrived_at=asyncio.get_running_loop().time(),
            metadata=metadata,
            peer="ipv4:127.0.0.1:5000",
            request=b"" if method.client_streaming else request,
            requests=_one(request) if method.client_streaming else None,
        )
        try:
            outcome = await pipeline.run(call)
        except CallError as error:
            raise WrongError(f"{method.path}: raised {error}") from error
        if outcome.error is not None and outcome.error.code not in CALLERS_FAULT:
            raise WrongError(f"{method.path}: {outcome.error} for {request!r} {metadata!r}")
        if self.seen:
            raise WrongError(f"{method.path}: sent {self.seen} for {request!r} {metadata!r}")
        return outcome


async def _take(_payload: bytes) -> None:
    pass


async def _one(request: bytes) -> Any:
    yield request


NAMES = (
    *("authorization", "x-api-key", "x-request-id", "traceparent", "baggage", "x-criticality"),
    *("grpc-previous-rpc-attempts", "x-forwarded-for", "accept-language", "x-tenant"),
    *("x-signature", "stripe-signature", "idempotency-key", "grpc-trace-bin"),
)


def metadata_of(data: bytes) -> Iterator[tuple[str, str | bytes]]:
    """Yield metadata that bytes stand for: what gRPC hands over, and what it never should."""
    for part in data.split(b"\0")[:8]:
        if not part:
            continue
        name = NAMES[part[0] % len(NAMES)]
        value = part[1:]
        yield name, value if name.endswith("-bin") else value.decode("latin-1")
