"""A set of endpoints on real sockets, whose time stands still until told."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fakes.clock import FakeClock, FakeRng
from support.calls import Recorder

from gateway.core.errors import CallError
from gateway.core.events import EndpointChanged, Event, Events, UpstreamReachability
from gateway.core.http import HttpRequest
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.downstream.endpoints import EndpointOptions, EndpointSet
from gateway.downstream.endpoints.discovery import Place
from gateway.downstream.endpoints.member import Member
from gateway.downstream.endpoints.reachability import failed_to_connect
from gateway.downstream.options import ClientOptions


def options(url: str = "http://shop.invalid", **more: Any) -> EndpointOptions:
    """Return options; what ClientOptions has goes there."""
    of_client = {name: more.pop(name) for name in list(more) if name in ClientOptions.__slots__}
    return EndpointOptions(client=ClientOptions(name="shop", url=url, **of_client), **more)


class Shop:
    """What a test holds of one set."""

    def __init__(self, made: EndpointOptions, **more: Any) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.came_back: list[float] = []
        self.set = EndpointSet(
            made,
            self.clock,
            more.pop("rng", None) or FakeRng([0.5]),
            Events([self.events]),
            on_reachable=lambda: self.came_back.append(self.clock.now()),
            **more,
        )

    def member(self, place: Place) -> Member:
        return self.set._members[place]

    def states(self) -> dict[str, str]:
        return {status.address: status.state for status in self.set.states()}

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def changes(self) -> list[tuple[str, str]]:
        return [(e.address, e.state) for e in self.events if isinstance(e, EndpointChanged)]

    def reachability(self) -> list[bool]:
        return [e.reachable for e in self.events if isinstance(e, UpstreamReachability)]

    def choose(self, *tried: Member) -> Member | None:
        return self.set.choose(tried, self.clock.now())

    def end(
        self, member: Member, end: CallError | Outcome | None = SUCCESS, duration_s: float = 0.01
    ) -> None:
        """End an attempt: with an outcome, an error, or by a cancel (None)."""
        outcome = failed(end) if isinstance(end, CallError) else end
        if isinstance(end, CallError) and failed_to_connect(end):
            self.set._connected(member, end, self.clock.now() - duration_s)
        self.set.ended(member, outcome, duration_s, self.clock.now())

    def end_each(self, end: CallError | None, times: int = 1) -> None:
        """End attempts at every member alike."""
        for member in list(self.set._members.values()) * times:
            member.take(self.clock.now())
            self.end(member, SUCCESS if end is None else end)

    async def ask(self, target: str = "/v1") -> str:
        """Make one attempt; return the address of the endpoint."""
        member = self.choose()
        assert member is not None
        began_at = self.clock.now()
        outcome: Outcome | None = None
        try:
            await member.client.fetch(
                HttpRequest("GET", target, {}), max_body_bytes=1_000, max_error_bytes=1_000
            )
            outcome = SUCCESS
        except CallError as error:
            outcome = failed(error)
        finally:
            now = self.clock.now()
            self.set.ended(member, outcome, now - began_at, now)
        return member.address

    async def pass_until(self, condition: Callable[[], object], step_s: float) -> None:
        """Let time pass in steps until something has happened; what has to, happens between."""
        async with asyncio.timeout(10):
            while not condition():
                self.clock.advance(step_s)
                await turns(3)


@asynccontextmanager
async def opened(made: EndpointOptions, *, start: bool = True, **more: Any) -> AsyncIterator[Shop]:
    """Yield a set; nothing of it may be left in the end."""
    before = asyncio.all_tasks()
    shop = Shop(made, **more)
    if start:
        shop.set.start()
    try:
        yield shop
        everyone = [*shop.set._members.values(), *shop.set._leaving]
    finally:
        await shop.set.close()
    assert not [member for member in everyone if member.connections._all]
    await until(lambda: not shop.set._tasks._running)
    assert shop.clock.pending == 0
    own = {task for task in asyncio.all_tasks() - before if "gateway" in repr(task)}
    await until(lambda: all(task.done() for task in own))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await turns(1)


class Resolver:
    """Knows what it is told; an unknown name does not resolve."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = list(hosts)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[Any]:
        self.asked += 1
        if not self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        return [(*kind, (address, port)) for address in self.hosts]


@contextmanager
def nobody() -> Iterator[int]:
    """Yield a port where nobody listens, until the end."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class Server:
    """An HTTP server whose connections, paths and hosts are counted."""

    def __init__(self, status: int = 200, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.status = status
        self.host = host
        self.port = port
        self.location = ""
        self.open = 0
        self.ever = 0
        self.paths: list[str] = []
        self.hosts: Counter[str] = Counter()
        self.hold: asyncio.Event | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, reuse_address=True, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def place(self) -> Place:
        return self.host, self.port

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def __aenter__(self) -> "Server":
        if self._server is None:
            await self.listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.ever += 1
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.paths.append(head.split()[1])
                self.hosts[head.lower().partition("\nhost: ")[2].split()[0]] += 1
                if self.hold is not None:
                    await self.hold.wait()
                more = f"location: {self.location}\r\n" if self.location else ""
                writer.write(
                    f"HTTP/1.1 {self.status} X\r\ncontent-length: 2\r\n{more}\r\n{{}}".encode()
                )
                self.location = ""
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            self.open -= 1
            writer.close()
