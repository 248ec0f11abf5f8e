"""One call made twice, by the library's REST transport and through the gateway.

Both speak real HTTP to the same server, which records the request and gives both
the same answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import grpc
from aiohttp import web
from e2e.google.libraries import Library, Method, read_library
from e2e.google.schema import descriptor_set
from google.protobuf.message import Message
from support.upstream import Upstream

from gateway.app import Gateway, Settings, load
from gateway.config.resolve import Flags


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it arrived; `body` is parsed, None where there was none."""

    verb: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    content_type: str | None


class Exchange:
    """Makes calls, and tells what was sent.

    Attributes:
        library: whose methods can be called.
        answer: the JSON that the server answers next.
    """

    def __init__(self, library: Library, upstream: Upstream, channel: grpc.aio.Channel) -> None:
        self.library = library
        self.answer = b"{}"
        self._upstream = upstream
        self._channel = channel
        upstream.handler = self._answer

    async def _answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=self.answer, content_type="application/json")

    async def by_library(self, method: Method, message: Message) -> Message:
        """Call through the library's own transport."""
        return await asyncio.to_thread(method.call, message)

    async def by_gateway(self, method: Method, message: Message) -> Message:
        """Call through the gateway by gRPC."""
        call = self._channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        answer: Message = await call(message, timeout=60)
        return answer

    def sent(self) -> Sequence[Sent]:
        """Return the requests since this was last asked."""
        upstream = self._upstream
        found = [
            _sent(*each)
            for each in zip(upstream.requests, upstream.headers, upstream.bodies, strict=True)
        ]
        for record in (upstream.requests, upstream.headers, upstream.bodies):
            record.clear()
        return found


def _sent(line: str, headers: dict[str, str], body: bytes) -> Sent:
    verb, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    return Sent(
        verb,
        path,
        tuple(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))),
        json.loads(body) if body else None,
        headers.get("content-type"),
    )


@asynccontextmanager
async def exchange_with(name: str, folder: Path) -> AsyncIterator[Exchange]:
    """Run a server, and a gateway in front of it that serves a library's methods.

    Args:
        name: of the library's distribution.
        folder: for the descriptor set.
    """

    async def nothing(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=500)

    async with Upstream(nothing) as upstream:
        host = upstream.url.removeprefix("http://")
        library = await asyncio.to_thread(read_library, name, host)
        path = folder / "library.binpb"
        path.write_bytes(descriptor_set(library.methods).SerializeToString())
        settings = Settings(
            descriptor_set=path,
            listen="127.0.0.1:0",
            ops_listen="off",
            flags=Flags((), {"": upstream.url}),
        )
        gateway = Gateway(settings, load(settings))
        await gateway.start()
        try:
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                yield Exchange(library, upstream, channel)
        finally:
            await gateway.stop()
            library.close()
