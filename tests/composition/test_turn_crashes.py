"""Turns across processes, under gateways that are killed while they hold one or wait for it.

The desk notes when each call begins and ends, so two at once show, and so does an order. Leases
are as the gateways write them; what is left of a dead one's is cut short in the store, to a moment
that the test knows.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import text
from support.durable import opened
from support.gateways import GatewayProcess
from support.payments import Caller, arguments, process
from support.postgres import shared_server
from support.upstream import Upstream

from gateway.state.durable.store import Durable

POLICY = "{serialize: {field: order, across_processes: true}, retry: {max_attempts: 1}}"
LEASE_S, LEFT_S, SOON_S = 10.0, 1.5, 3.0


class Desk:
    """Takes charges; one whose note is held stays until it is let go."""

    def __init__(self) -> None:
        self.http = Upstream(self._answer)
        self.began: dict[str, float] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.inside: set[str] = set()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        note = (await request.json())["note"]
        assert note not in self.began, "it was done already"
        assert not self.inside, f"{note} is done beside {self.inside}"
        self.began[note] = time.time()
        self.inside.add(note)
        try:
            await self.held.get(note, _let_go()).wait()
            await asyncio.sleep(0.02)
        finally:
            self.inside.discard(note)
        return web.json_response({"id": note})

    def hold(self, note: str) -> None:
        self.held[note] = asyncio.Event()

    def let_go(self, note: str) -> None:
        self.held[note].set()

    async def until_begun(self, note: str, limit_s: float = 10.0) -> float:
        end = time.monotonic() + limit_s
        while note not in self.began:
            assert time.monotonic() < end, f"{note} never began; {list(self.began)} did"
            await asyncio.sleep(0.01)
        return self.began[note]


def _let_go() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def charge(note: str) -> bytes:
    """Return a ChargeRequest of the one order that there is."""
    return b"\n\x02o1\x12" + bytes([len(note)]) + note.encode()


@dataclass
class Line:
    """Gateways over one store, and the calls that wait for one key."""

    desk: Desk
    store: Durable
    gateways: list[GatewayProcess]
    callers: list[Caller]
    calls: dict[str, "asyncio.Future[str]"] = field(default_factory=dict)
    tickets: dict[str, int] = field(default_factory=dict)

    async def join(self, number: int, note: str) -> None:
        """Call one gateway; return when the call has its ticket."""
        before = await self._out()
        answer = self.callers[number].charge(None, charge(note), timeout_s=60)
        self.calls[note] = asyncio.ensure_future(answer)
        end = time.monotonic() + 10
        while len(new := await self._out() - before) == 0:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        (self.tickets[note],) = new

    async def _out(self) -> set[int]:
        statement = text("SELECT number FROM seawall_tickets")
        return set(await self.store.read(lambda c: c.execute(statement).scalars().all()))

    async def lease_of(self, note: str) -> float:
        """Return when the ticket of a call runs out, in seconds since 1970."""
        statement, values = (
            text("SELECT lease_until FROM seawall_tickets WHERE number = :number"),
            {"number": self.tickets[note]},
        )
        return float(await self.store.read(lambda c: c.execute(statement, values).scalar_one()))

    async def cut_short(self, note: str, until: float) -> None:
        statement, values = (
            text("UPDATE seawall_tickets SET lease_until = :until WHERE number = :number"),
            {"number": self.tickets[note], "until": until},
        )
        await self.store.write(lambda c: c.execute(statement, values))

    async def kill(self, number: int) -> None:
        process = self.gateways[number].process
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)


@pytest.fixture(params=["sqlite", "postgresql"])
async def line(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Line]:
    url = f"sqlite:///{tmp_path}/seawall.db"
    if request.param == "postgresql":
        url = shared_server().database()
    desk = Desk()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(desk.http)
        args = arguments(tmp_path, desk, POLICY, url)  # type: ignore[arg-type]
        started = [process(args, tmp_path / str(n)) for n in range(3)]
        gateways = await asyncio.gather(
            *(asyncio.to_thread(stack.enter_context, one) for one in started)
        )
        callers = [Caller(gateway.address) for gateway in gateways]
        for caller in callers:
            stack.push_async_callback(caller.channel.close)
        store = await stack.enter_async_context(opened(url, timeout_s=10.0))
        yield Line(desk, store, gateways, callers)


async def test_the_turn_of_a_killed_holder_is_taken_after_its_lease_and_not_before(
    line: Line,
) -> None:
    desk = line.desk
    desk.hold("held")
    await line.join(0, "held")
    await desk.until_begun("held")
    await line.join(1, "first")
    await line.join(0, "dies waiting")
    await line.join(2, "second")
    await line.join(1, "third")

    killed_at = time.time()
    await line.kill(0)
    assert await line.calls["held"] == await line.calls["dies waiting"] == "UNAVAILABLE"
    assert desk.inside == set()
    for note in ("held", "dies waiting"):
        left_s = await line.lease_of(note) - killed_at
        assert LEASE_S / 2 < left_s <= LEASE_S + 0.1, "it was renewed as it should be"

    # Whoever waits is given nothing while the dead one's lease lasts.
    until = time.time() + LEFT_S
    await line.cut_short("held", until)
    began = await desk.until_begun("first")
    assert until <= began < until + SOON_S
    assert await line.calls["first"] == "first"

    # Nor is what stands behind the dead one's other call, which nobody makes any more.
    until = time.time() + LEFT_S
    await line.cut_short("dies waiting", until)
    await line.join(2, "newcomer")
    began = await desk.until_begun("second")
    assert until <= began < until + SOON_S
    for note in ("second", "third", "newcomer"):
        assert await line.calls[note] == note
    assert list(desk.began) == ["held", "first", "second", "third", "newcomer"]


async def test_a_killed_waiter_holds_nobody_up_before_its_turn(line: Line) -> None:
    desk = line.desk
    desk.hold("held")
    await line.join(0, "held")
    await desk.until_begun("held")
    await line.join(1, "first")
    await line.join(2, "dies waiting")
    await line.kill(2)
    await line.cut_short("dies waiting", time.time())
    await line.join(1, "second")
    assert list(desk.began) == ["held"]
    desk.let_go("held")
    for note in ("held", "first", "second"):
        assert await asyncio.wait_for(line.calls[note], 5) == note
    assert list(desk.began) == ["held", "first", "second"]
