"""Durable operations under gateways that are killed at any moment.

The press does again whatever reaches it, keys or not, so what is made twice shows. What nobody saw
the end of is looked up in it.
"""

import asyncio
import random
import signal
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from support.gateways import GatewayProcess
from support.payments import process, reason
from support.postgres import PostgresServer
from support.works import Caller, Press, configured, folder_of, page_of

METHODS = (
    "{Print: {operation: {max_attempts: 1000, initial_delay: 0.1s, max_delay: 1s},"
    " deduplication: {on_unknown: LOOKUP, lookup: {method: work.v1.Works/Find}}}}"
)
CALLERS = 6
COMES_AGAIN = {"UNAVAILABLE", "STORE_UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}


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
        self.caller = Caller(grpc.aio.insecure_channel(self.gateway.address))

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
    """Callers that submit one text after the other, each until it was accepted."""

    slots: list[Slot]
    over: bool = False
    accepted: dict[str, str] = field(default_factory=dict)

    async def run(self, number: int) -> None:
        texts = 0
        while not self.over:
            texts += 1
            text = f"{number}-{texts}"
            self.accepted[text] = await self._submit(text)
            await asyncio.sleep(random.uniform(0, 0.2))

    async def _submit(self, text: str) -> str:
        while True:
            callers = [slot.caller for slot in self.slots if slot.caller is not None]
            try:
                if callers:
                    return (await random.choice(callers).begin(text, f"key-{text}")).name
            except grpc.aio.AioRpcError as error:
                if reason(error) not in COMES_AGAIN:
                    raise
            except asyncio.CancelledError:  # a closed channel cancels what waits on it
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
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
    press = Press()
    press.max_pause_s = 0.2
    async with press.http:
        config = tmp_path / "seawall.yaml"
        config.write_text(configured(tmp_path, METHODS, durable=state))
        args = ["--proto", str(folder_of(tmp_path)), "--config", str(config)]
        args += ["--upstream", press.http.url]
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
            caller = slots[0].caller
            assert caller is not None
            pages = {
                text: page_of(await caller.wait(name, timeout_s=60))
                for text, name in crowd.accepted.items()
            }
        finally:
            for running in callers:
                running.cancel()
            for slot in slots:
                slot.stack.close()
    made = Counter(text for _, text in press.done)
    assert {text: count for text, count in made.items() if count > 1} == {}
    assert set(pages) <= set(made)
    assert len(pages) >= kills
    # Kills hit attempts, not pauses between them.
    assert sum(path.startswith("/prints/") for path, _, _ in press.seen) >= kills / 4
