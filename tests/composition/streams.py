"""What tests of streams share: upstreams that stream, and waiting for what must come."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from support.gateways import Running, gateway_for

NDJSON = "application/x-ndjson"
PROTOS = Path(__file__).parent / "protos"


def feed_gateway(upstream: str, **more: Any) -> AbstractAsyncContextManager[Running]:
    """Run a gateway that serves feed.v1.FeedService."""
    return gateway_for(upstream, proto=PROTOS, **more)


def line(number: int) -> bytes:
    """Return one item as a line."""
    return json.dumps({"id": str(number)}).encode() + b"\n"


async def begin(request: web.BaseRequest, content_type: str = NDJSON) -> web.StreamResponse:
    """Begin a streamed answer."""
    response = web.StreamResponse(headers={"content-type": content_type})
    await response.prepare(request)
    return response


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


async def forever() -> None:
    """Never return."""
    await asyncio.get_running_loop().create_future()


async def lines_of(request: web.BaseRequest) -> AsyncIterator[dict[str, str]]:
    """Yield the lines of a request's body as they arrive."""
    while text := await request.content.readline():
        yield json.loads(text)


async def failure_of(call: object) -> grpc.aio.AioRpcError:
    """Read a call to its end, which must be an error."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if hasattr(call, "read"):
            while await call.read() is not grpc.aio.EOF:
                pass
        else:
            await call
    return caught.value
