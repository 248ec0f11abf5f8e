"""Gateways that are killed at any moment, under callers that come again with their keys.

The ledger books each charge that reaches it, so a second one shows. What nobody answered is
looked up in it, so every call ends with an answer.
"""

import asyncio
import random
import signal
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.gateways import GatewayProcess
from support.payments import Caller, Ledger, arguments, process
from support.postgres import PostgresServer

POLICY = "{deduplication: {on_unknown: LOOKUP, lookup: {method: pay.v1.Payments/Find}}}"
CALLERS = 12
COMES_AGAIN = {
    "UNAVAILABLE",
    "STORE_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CONNECT_FAILED",
    "IN_PROGRESS",
}


@dataclass
class Slot:
    """Where one gateway runs after the other."""

    number: int
    args: list[str]
    folder: Path
    starts: int = 0
    stack: ExitStack = field(default_factory=ExitStack)
    gateway: GatewayProcess | None = None
    caller: Caller | None = None

    async def start(self) -> None:
        self.starts += 1
        folder = self.folder / f"{self.number}-{self.starts}"
        self.gateway = await asyncio.to_thread(self.stack.enter_context, process(self.args, folder))
        self.caller = Caller(self.gateway.address)

    async def kill(self) -> None:
        gateway, caller, self.caller = self.gateway, self.caller, None
        assert gateway is not None
        assert caller is not None
        gateway.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(gateway.process.wait)
        await caller.channel.close()
        self.stack.close()


@dataclass
class Crowd:
    """Callers that charge one order after the other, each until it has an answer."""

    slots: list[Slot]
    over: bool = False
    acknowledged: dict[str, str] = field(default_factory=dict)
    again: int = 0

    async def run(self, number: int) -> None:
        orders = 0
        while not self.over:
            orders += 1
            order = f"{number}-{orders}"
            self.acknowledged[order] = await self._answer(order)

    async def _answer(self, order: str) -> str:
        request = b"\n" + bytes([len(order)]) + order.encode()
        while True:
            callers = [slot.caller for slot in self.slots if slot.caller is not None]
            found = "UNAVAILABLE"
            if callers:
                # A closed channel cancels what waits on it.
                try:
                    found = await random.choice(callers).charge(order, request, timeout_s=4)
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
            if found not in COMES_AGAIN:
                return found
            self.again += 1
            await asyncio.sleep(0.05)


pytestmark = pytest.mark.timeout(1200)
KILLS = [20, pytest.param(200, marks=pytest.mark.full)]


@pytest.mark.parametrize("kills", KILLS)
async def test_over_sqlite(kills: int, tmp_path: Path) -> None:
    await crashes(kills, tmp_path, f"sqlite:///{tmp_path}/seawall.db", None)


@pytest.mark.parametrize("kills", KILLS)
async def test_over_postgresql_that_starts_anew_meanwhile(kills: int, tmp_path: Path) -> None:
    with PostgresServer() as server:
        await crashes(kills, tmp_path, server.database(), server)


async def crashes(kills: int, tmp_path: Path, state: str, server: PostgresServer | None) -> None:
    ledger = Ledger()
    ledger.max_pause_s = 0.1
    async with ledger.http:
        args = arguments(tmp_path, ledger, POLICY, state)
        slots = [Slot(n, args, tmp_path) for n in range(2)]
        crowd = Crowd(slots)
        callers: list[asyncio.Future[None]] = []
        try:
            await asyncio.gather(*(slot.start() for slot in slots))
            callers = [asyncio.ensure_future(crowd.run(n)) for n in range(CALLERS)]
            for kill in range(kills):
                await asyncio.sleep(random.uniform(0, 0.3))
                slot = slots[kill % 2]
                await slot.kill()
                if server is not None and kill % 25 == 5:
                    await asyncio.to_thread(server.restart)
                await slot.start()
            crowd.over = True
            await asyncio.wait_for(asyncio.gather(*callers), 60)
        finally:
            for caller in callers:
                caller.cancel()
            for slot in slots:
                slot.stack.close()
    answered = {o: a for o, a in crowd.acknowledged.items() if a.startswith(("r", "of-"))}
    assert answered == crowd.acknowledged
    assert sorted(ledger.booked) == sorted(answered)
    assert len(answered) >= kills
    assert crowd.again >= kills / 2
