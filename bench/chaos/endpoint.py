"""One endpoint of the simulator: its workers, its queue, its connections.

The rules are those of `simulator.py`; what is random or depends on time it asks of a
`Fates`, which is the service.
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter, deque
from typing import NamedTuple, Protocol, cast

import httptools

from bench.chaos.plan import Capacity, Fate

CALL_PREFIX = b"/v1/orders/"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b'Content-Length: 23\r\n\r\n{"error":"unavailable"}'
)
_WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_UNKNOWN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Stats(Counter[str]):
    """What was counted since the start.

    received, answered (200), refused (queue full), failed (503 by plan), cut (reset in
    the body), lost (by going away), wasted (served when the caller had gone), health,
    max_concurrency (served and queued at once, of the busiest endpoint).
    """


class Fates(Protocol):
    """What an endpoint is told by the service."""

    stats: Stats

    def fate(self, endpoint: int, call: str) -> Fate:
        """Return what becomes of a call's next attempt."""

    def answer(self, call: str) -> bytes:
        """Return the answer to a call."""


class _Request(NamedTuple):
    connection: "Connection"
    call: str


class Endpoint:
    """One endpoint's workers and queue."""

    def __init__(self, index: int, capacity: Capacity, service: Fates) -> None:
        self.index = index
        self.connections: set[Connection] = set()
        self._service = service
        self._workers = capacity.workers
        self._max_queued = capacity.max_queued
        self._busy = 0
        self._life = 0  # what was begun in an earlier life is lost
        self._queue: deque[_Request] = deque()

    def take(self, request: _Request) -> None:
        """Serve a request, now or later, or refuse it."""
        stats = self._service.stats
        stats["received"] += 1
        if self._busy < self._workers:
            self._serve(request)
        elif len(self._queue) < self._max_queued:
            self._queue.append(request)
        else:
            stats["refused"] += 1
            request.connection.answer(_UNAVAILABLE)
        stats["max_concurrency"] = max(stats["max_concurrency"], self._busy + len(self._queue))

    def _serve(self, request: _Request) -> None:
        self._busy += 1
        fate = self._service.fate(self.index, request.call)
        asyncio.get_running_loop().call_later(
            fate.service_s, self._ended, request, fate, self._life
        )

    def _ended(self, request: _Request, fate: Fate, life: int) -> None:
        if life != self._life:
            return
        self._busy -= 1
        stats, connection = self._service.stats, request.connection
        if connection.gone:
            stats["wasted"] += 1
        elif fate.failed:
            stats["failed"] += 1
            connection.answer(_UNAVAILABLE)
        elif fate.cut:
            stats["cut"] += 1
            connection.cut(self._service.answer(request.call))
        else:
            stats["answered"] += 1
            connection.answer(self._service.answer(request.call))
        self._fill()

    def _fill(self) -> None:
        while self._queue and self._busy < self._workers:
            self._serve(self._queue.popleft())

    def set_workers(self, workers: int) -> None:
        """Have so many from now on; those who are serving finish."""
        self._workers = workers
        self._fill()

    def leave(self) -> None:
        """Lose all work and reset all connections."""
        self._service.stats["lost"] += self._busy + len(self._queue)
        self._life += 1
        self._busy = 0
        self._queue.clear()
        for connection in list(self.connections):
            connection.reset()


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, endpoint: Endpoint, service: Fates) -> None:
        self._endpoint = endpoint
        self._service = service
        # Envoy sends every GET with a chunked body of nothing, so requests must be parsed.
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it among the endpoint's."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._endpoint.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that nobody waits for an answer any more."""
        self.gone = True
        self._endpoint.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Parse; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_url(self, url: bytes) -> None:
        """Keep the path (called by the parser)."""
        self._path = url

    def on_message_complete(self) -> None:
        """Take the request, whose body has ended (called by the parser)."""
        path = self._path
        if path.startswith(CALL_PREFIX):
            call = path.removeprefix(CALL_PREFIX).decode()
            self._endpoint.take(_Request(self, call))
        elif path == b"/healthz":
            self._service.stats["health"] += 1
            self.answer(_WELL)
        else:
            self.answer(_UNKNOWN)

    def answer(self, data: bytes) -> None:
        """Write an answer."""
        self._transport.write(data)

    def cut(self, data: bytes) -> None:
        """Write half of an answer and reset the connection a moment later."""
        self._transport.write(data[: len(data) // 2])
        # A reset that overtakes the bytes would look like no answer at all.
        asyncio.get_running_loop().call_later(0.005, self.reset)

    def reset(self) -> None:
        """End it at once, by a reset."""
        if self.gone:
            return
        self.gone = True
        peer: socket.socket = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
