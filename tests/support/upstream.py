"""A real HTTP server whose answers each test programs.

    async with Upstream(handler) as upstream:
        … upstream.url, upstream.requests, upstream.open_connections

`handler` takes an aiohttp request and returns a response, or raises. `RawUpstream`
does the same with bytes on the socket, for answers that no HTTP library would send.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Upstream:
    """An HTTP server on 127.0.0.1 and a free port.

    Attributes:
        handler: may be replaced at any time.
        requests: "GET /path?query" of each request, in order.
        headers: the headers of each request.
        bodies: the body of each request.
        open_connections: now.
        record: whether requests, headers and bodies are kept.
        disconnects: handlers that were cancelled because the client went away.
    """

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self.handler = handler
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.open_connections = 0
        self.total_connections = 0
        self.record = True
        self.disconnects = 0
        self._port = port

    async def __aenter__(self) -> "Upstream":
        self._server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        upstream = self

        def factory() -> asyncio.Protocol:
            protocol: Any = self._server()
            made, lost = protocol.connection_made, protocol.connection_lost

            def connection_made(transport: asyncio.BaseTransport) -> None:
                upstream.open_connections += 1
                upstream.total_connections += 1
                made(transport)

            def connection_lost(error: BaseException | None) -> None:
                upstream.open_connections -= 1
                lost(error)

            return _Forward(protocol, connection_made, connection_lost)

        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(factory, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._listener.close()
        await self._server.shutdown(0.1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.record:
            self.requests.append(f"{request.method} {request.raw_path}")
            self.headers.append({k.lower(): v for k, v in request.headers.items()})
            self.bodies.append(await request.read())
        try:
            return await self.handler(request)
        except asyncio.CancelledError:
            self.disconnects += 1
            raise


class _Forward(asyncio.Protocol):
    """Hands a transport's events to aiohttp's protocol, with two of them watched."""

    def __init__(self, protocol: Any, made: Any, lost: Any) -> None:
        self._protocol = protocol
        self.connection_made = made
        self.connection_lost = lost

    def __getattribute__(self, name: str) -> Any:
        if name in ("connection_made", "connection_lost", "_protocol"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_protocol"), name)


class RawUpstream:
    """A socket server; `answer` gets reader and writer of each connection."""

    def __init__(
        self, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        self._answer = answer
        self.connections = 0

    async def __aenter__(self) -> "RawUpstream":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"


def json_answer(body: object, status: int = 200, **headers: str) -> Handler:
    """Return a handler that always answers the same JSON."""

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return handle


def in_turn(*handlers: Handler) -> Handler:
    """Return a handler that uses each of `handlers` once, then the last for ever."""
    left = list(handlers)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return handle
