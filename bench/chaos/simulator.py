"""The upstream: endpoints with a capacity, in one process, misbehaving by plan.

`python -m bench.chaos.simulator SPEC.json` serves HTTP/1.1 with connections that are
kept on the ports of the spec, one an endpoint, and takes orders on a control port,
one JSON object a line:

    {"start": INSTANT}   the run begins at this moment of the monotonic clock → {"ok": true}
    {"stats": true}      → what `Stats` has, since the start

Rules:
1. A request waits for a worker first in, first out. A worker serves it for the time
   that its fate says (`plan.py`), then answers it. One that finds the queue full is
   answered 503 at once and costs nothing.
2. As with most servers, a caller that goes away is not noticed before the answer is
   written: what was queued for it is served all the same, and counted as wasted.
3. `/healthz` is answered 200 at once by an endpoint that is not away. It costs no
   worker and is counted by itself.
4. An endpoint that goes away closes its listener and resets every connection; what
   was being served is lost. It comes back on the same port with no work left.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, NamedTuple, cast

import httptools
import uvloop

from bench.chaos.plan import Fate, Plan

CALL_PREFIX = b"/v1/orders/"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
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


class _Request(NamedTuple):
    connection: "_Connection"
    call: str


class Endpoint:
    """One endpoint's workers and queue."""

    def __init__(self, index: int, service: "Service") -> None:
        self.index = index
        self.connections: set[_Connection] = set()
        self._service = service
        self._workers = service.plan.workers(index, service.now())
        self._busy = 0
        self._life = 0  # what was begun in an earlier life is lost
        self._queue: deque[_Request] = deque()

    def take(self, request: _Request) -> None:
        """Serve a request, now or later, or refuse it."""
        stats = self._service.stats
        stats["received"] += 1
        if self._busy < self._workers:
            self._serve(request)
        elif len(self._queue) < self._service.plan.capacity.max_queued:
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


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, endpoint: Endpoint, service: "Service") -> None:
        self._endpoint = endpoint
        self._service = service
        # Envoy sends every GET with a chunked body of nothing, so requests must be parsed.
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._endpoint.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._endpoint.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
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
        self._transport.write(data)

    def cut(self, data: bytes) -> None:
        """Write half of an answer and reset the connection a moment later."""
        self._transport.write(data[: len(data) // 2])
        # A reset that overtakes the bytes would look like no answer at all.
        asyncio.get_running_loop().call_later(0.005, self.reset)

    def reset(self) -> None:
        if self.gone:
            return
        self.gone = True
        peer: socket.socket = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()


class Service:
    """All endpoints, by one plan.

    Args:
        plan: what goes wrong.
        ports: one an endpoint.
        order: the JSON that is answered, with `name` in the place of the call's name.
        name: that place.
    """

    def __init__(self, plan: Plan, ports: list[int], order: bytes, name: bytes) -> None:
        self.plan = plan
        self.stats = Stats()
        self._ports = ports
        before, _, after = order.partition(name)
        self._before, self._after = before, after
        self._started_at: float | None = None
        self._attempts: Counter[str] = Counter()
        self._endpoints = [Endpoint(index, self) for index in range(len(ports))]
        self._servers: dict[int, asyncio.AbstractServer] = {}
        self._edges: list[asyncio.TimerHandle] = []

    def now(self) -> float:
        """Return the seconds since the start; minus infinity before it."""
        if self._started_at is None:
            return float("-inf")
        return time.monotonic() - self._started_at

    def fate(self, endpoint: int, call: str) -> Fate:
        """Return what becomes of a call's next attempt."""
        self._attempts[call] += 1
        return self.plan.fate(endpoint, call, self._attempts[call], self.now())

    def answer(self, call: str) -> bytes:
        """Return the answer to a call."""
        body = self._before + call.encode() + self._after
        return _HEAD % len(body) + body

    async def open(self) -> None:
        """Listen, as the plan says for the time before the start."""
        for endpoint in self._endpoints:
            await self._follow_plan(endpoint)

    def start(self, at: float) -> None:
        """Begin the run at a moment of the monotonic clock."""
        self._started_at = at
        self.stats.clear()
        loop = asyncio.get_running_loop()
        for edge_s in self.plan.edges():
            delay_s = at + edge_s - time.monotonic()
            self._edges.append(loop.call_later(max(0.0, delay_s) + 0.001, self._at_edge))

    def _at_edge(self) -> None:
        for endpoint in self._endpoints:
            endpoint.set_workers(self.plan.workers(endpoint.index, self.now()))
            task = asyncio.get_running_loop().create_task(self._follow_plan(endpoint))
            task.add_done_callback(lambda ended: ended.result())

    async def _follow_plan(self, endpoint: Endpoint) -> None:
        index = endpoint.index
        if self.plan.away(index, self.now()):
            if server := self._servers.pop(index, None):
                server.close()
            endpoint.leave()
        elif index not in self._servers:
            self._servers[index] = await asyncio.get_running_loop().create_server(
                lambda: _Connection(endpoint, self), "127.0.0.1", self._ports[index], backlog=512
            )


async def _control(
    service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while line := await reader.readline():
        order: dict[str, Any] = json.loads(line)
        if "start" in order:
            service.start(order["start"])
        told = dict(service.stats) if "stats" in order else {"ok": True}
        writer.write(json.dumps(told).encode() + b"\n")
    writer.close()


async def serve(spec: dict[str, Any], order: bytes) -> None:
    """Serve until the process is ended; the control port answers once all others listen."""
    plan = Plan.from_json(spec["plan"])
    service = Service(plan, spec["ports"], order, spec["name"].encode())
    await service.open()
    control = await asyncio.start_server(
        lambda reader, writer: _control(service, reader, writer), "127.0.0.1", spec["control"]
    )
    await control.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        given = json.loads(Path(sys.argv[1]).read_text())
        runner.run(serve(given, Path(given["order"]).read_bytes()))
