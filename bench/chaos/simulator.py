"""The upstream: endpoints with a capacity, in one process, misbehaving by plan.

`python -m bench.chaos.simulator SPEC.json` serves HTTP/1.1 with connections that are
kept on the ports of the spec, one an endpoint, and takes orders on a control port,
one JSON object a line:

    {"start": INSTANT}   the run begins at this moment of the monotonic clock → {"ok": true}
    {"stats": true}      → what `endpoint.Stats` has, since the start

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
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from bench.chaos.endpoint import Connection, Endpoint, Stats
from bench.chaos.plan import Fate, Plan

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


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
        self._endpoints = [Endpoint(index, plan.capacity, self) for index in range(len(ports))]
        self._servers: dict[int, asyncio.AbstractServer] = {}
        self._edges: list[asyncio.TimerHandle] = []
        self._changes: set[asyncio.Task[None]] = set()

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
            endpoint.set_workers(self.plan.workers(endpoint.index, self.now()))
            await self._follow_plan(endpoint)

    def start(self, at: float) -> None:
        """Begin the run at a moment of the monotonic clock."""
        self._started_at = at
        self.stats.clear()
        loop = asyncio.get_running_loop()
        for edge_s in self.plan.edges():
            delay_s = at + edge_s - time.monotonic()
            self._edges.append(loop.call_later(max(0.0, delay_s) + 0.001, self._at_edge))

    async def close(self) -> None:
        """Stop listening, end all connections."""
        for edge in self._edges:
            edge.cancel()
        for server in self._servers.values():
            server.close()
        for endpoint in self._endpoints:
            endpoint.leave()
        await asyncio.sleep(0)  # for transports to close

    def _at_edge(self) -> None:
        for endpoint in self._endpoints:
            endpoint.set_workers(self.plan.workers(endpoint.index, self.now()))
            task = asyncio.get_running_loop().create_task(self._follow_plan(endpoint))
            self._changes.add(task)
            task.add_done_callback(self._changed)

    def _changed(self, task: asyncio.Task[None]) -> None:
        self._changes.discard(task)
        task.result()  # a port that cannot be opened again is told on standard error

    async def _follow_plan(self, endpoint: Endpoint) -> None:
        index = endpoint.index
        if self.plan.away(index, self.now()):
            if server := self._servers.pop(index, None):
                server.close()
            endpoint.leave()
        elif index not in self._servers:
            self._servers[index] = await asyncio.get_running_loop().create_server(
                lambda: Connection(endpoint, self), "127.0.0.1", self._ports[index], backlog=512
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
