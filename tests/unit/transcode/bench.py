"""A RestTarget before a real client, and upstreams that a test programs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fakes.clock import FakeClock
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL, bindings

from gateway.core.call import Call, MethodInfo
from gateway.core.clock import system_rng
from gateway.core.errors import CallError
from gateway.core.outcome import Outcome
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions
from gateway.transcode.answers import StreamTarget
from gateway.transcode.codec import JsonCodec
from gateway.transcode.decode import AnswerDecoder
from gateway.transcode.encode import RequestEncoder
from gateway.transcode.framing.choice import StreamOptions
from gateway.transcode.headers import HeaderForwarding
from gateway.transcode.target import RestOptions, RestParts, UnaryTarget

GET = {"get": "/v1/documents/{name}"}
POST = {"post": "/v1/documents/{name}", "body": "*"}
NDJSON = "application/x-ndjson"


@dataclass
class Bench:
    """A target before a real client, and what calls through it get."""

    parts: RestParts
    clock: FakeClock
    codec: JsonCodec
    received: list[pb.Document] = field(default_factory=list)
    on_message: Callable[[], Awaitable[None]] | None = None

    async def target(self, call: Call) -> Outcome:
        if call.method.server_streaming:
            return await StreamTarget(self.parts, pb.Document.DESCRIPTOR)(call)
        return await UnaryTarget(self.parts)(call)

    def call(self, *, stream: bool = False, timeout_s: float | None = None, **rule: Any) -> Call:
        async def sink(payload: bytes) -> None:
            self.received.append(pb.Document.FromString(payload))
            if self.on_message is not None:
                await self.on_message()

        metadata = rule.pop("metadata", ())
        call = Call(
            MethodInfo("transcode.v1.Service", "Method", server_streaming=stream),
            sink,
            arrived_at=self.clock.now(),
            metadata=metadata,
            deadline_at=None if timeout_s is None else self.clock.now() + timeout_s,
        )
        encoder = RequestEncoder(bindings(pb.Request, pb.Document, **(rule or GET)), self.codec)
        call.prepared = encoder.encode(pb.Request(name="a", left="l"))
        call.attempts = 1
        return call

    async def failure(self, call: Call) -> CallError:
        outcome = await self.target(call)
        assert outcome.error is not None
        return outcome.error


@asynccontextmanager
async def bench_for(
    url: str,
    *,
    request: tuple[str, ...] = (),
    response: tuple[str, ...] = (),
    stream: StreamOptions | None = None,
    **options: Any,
) -> AsyncIterator[Bench]:
    clock, codec = FakeClock(), JsonCodec(POOL)
    client = Http1Client(ClientOptions(name="documents", url=url), clock, system_rng())
    parts = RestParts(
        decoder=AnswerDecoder(pb.Document, codec),
        headers=HeaderForwarding(request, response),
        upstream="documents",
        client=client,
        options=RestOptions(user_agent="seawall/test", stream=stream or StreamOptions(), **options),
        pool=POOL,
        clock=clock,
    )
    try:
        yield Bench(parts, clock, codec)
    finally:
        await client.close()


def told(body: bytes, content_type: str = "application/json", status: int = 200):
    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={"Content-Type": content_type})

    return handle


class Stream:
    """A streamed answer that a test writes part by part."""

    def __init__(self, content_type: str = NDJSON, **headers: str) -> None:
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self._content_type = content_type
        self._headers = headers
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    def write(self, part: bytes) -> None:
        self._parts.put_nowait(part)

    def end(self) -> None:
        self._parts.put_nowait(None)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Content-Type": self._content_type} | self._headers
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        self.begun.set()
        try:
            while (part := await self._parts.get()) is not None:
                await response.write(part)
        except asyncio.CancelledError:
            self.gone.set()
            raise
        return response


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
