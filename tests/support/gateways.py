"""A gateway for a test: in this process, or as the process that users start."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from gateway.app import Gateway, Settings, load
from gateway.config.resolve import Flags
from gateway.core.clock import Clock, Rng
from gateway.core.events import Event

TESTS = Path(__file__).parent.parent
PROTOS = TESTS / "protos"


@dataclass
class Running:
    """A gateway in this process.

    Attributes:
        gateway: itself.
        channel: to it.
        events: everything it emitted.
    """

    gateway: Gateway
    channel: grpc.aio.Channel
    events: list[Event] = field(default_factory=list)

    def of(self, kind: type) -> list[Any]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def gateway_for(
    upstream: str | Mapping[str, str],
    *,
    proto: Path = PROTOS,
    config: str | None = None,
    tmp_path: Path | None = None,
    services: Sequence[str] = (),
    clock: Clock | None = None,
    rng: Rng | None = None,
) -> AsyncIterator[Running]:
    """Run a gateway on free ports.

    Args:
        upstream: URL, or URLs by name.
        proto: folder of protos.
        config: YAML text; needs `tmp_path`.
        tmp_path: where the YAML is put.
        services: to serve; default all.
        clock: to drive.
        rng: to draw from.
    """
    path = None
    if config is not None:
        assert tmp_path is not None
        path = tmp_path / "seawall.yaml"
        path.write_text(config)
    urls = {"": upstream} if isinstance(upstream, str) else dict(upstream)
    settings = Settings(
        proto=proto,
        config=path,
        listen="127.0.0.1:0",
        ops_listen="127.0.0.1:0",
        flags=Flags(tuple(services), urls),
    )
    loaded = await asyncio.to_thread(load, settings)
    events: list[Event] = []
    gateway = Gateway(settings, loaded, listeners=[events.append], clock=clock, rng=rng)
    await gateway.start()
    try:
        async with grpc.aio.insecure_channel(gateway.address) as channel:
            yield Running(gateway, channel, events)
    finally:
        await gateway.stop()


@dataclass
class GatewayProcess:
    """`seawall serve` as a process of its own."""

    process: subprocess.Popen[str]
    address: str
    ops: str
    log: Path

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def seawall_process(
    *arguments: str,
    tmp_path: Path,
    command: str = "serve",
    start_timeout_s: float = 30.0,
    environ: Mapping[str, str] | None = None,
) -> Iterator[GatewayProcess]:
    """Start `seawall COMMAND ARGUMENTS` on free ports and wait until it serves.

    Without --listen and --ops-listen among the arguments, both are free ports of 127.0.0.1.
    """
    more = [] if "--listen" in arguments else ["--listen", "127.0.0.1:0"]
    more += [] if "--ops-listen" in arguments else ["--ops-listen", "127.0.0.1:0"]
    log = tmp_path / "seawall.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", command, *arguments, *more],
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env=os.environ | dict(environ or {}),
        )
    try:
        address, ops = _wait_until_serving(process, log)
        yield GatewayProcess(process, address, ops, log)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _wait_until_serving(process: subprocess.Popen[str], log: Path) -> tuple[str, str]:
    assert process.stdout is not None
    address = ops = ""
    for line in process.stdout:
        if match := re.search(r"gRPC on (\S+)", line):
            address = match.group(1)
        if match := re.search(r"ops on (\S+)", line):
            ops = match.group(1)
        if address and ops:
            return address, ops
    raise AssertionError(f"seawall ended with {process.wait()}: {log.read_text()}")


def run_seawall(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `seawall` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environ,
        timeout=60,
        check=False,
    )
