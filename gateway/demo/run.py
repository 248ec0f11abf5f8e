"""`seawall demo`: a simulated downstream in a process of its own, and a gateway over it.

Rules:
1. The downstream is up before the gateway takes calls, and down after it has drained.
2. It lives no longer than this process, however this one ends: it holds the other
   end of a pipe, and its end is the downstream's.
3. Ctrl-C reaches this process only; the downstream, in a session of its own,
   answers to the end of the drain.
4. A downstream that ends by itself ends the demo.
5. What is kept (idempotency keys) is kept as long as the demo runs, and nowhere else.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway import report
from gateway.app import Gateway, Settings, load
from gateway.config.resolve import Flags
from gateway.core.clock import Clock, SystemClock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import ConfigError
from gateway.telemetry.logs import AccessLog

_SYSTEM = "panel"
_CONFIG = Path(__file__).parent / f"{_SYSTEM}.yaml"
_UPSTREAMS = (_SYSTEM, "providers", "auth", "tickets", "contact", "users")
"""One process is behind all of them."""
_START_S = 30.0
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Downstream:
    """A downstream's process and where it answers."""

    process: Process
    url: str

    async def ended(self) -> str:
        """Wait until it ends by itself, and return how it did."""
        status = await self.process.wait()
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


@asynccontextmanager
async def downstream(seed: int, clock: Clock) -> AsyncIterator[Downstream]:
    """Run the simulated downstream.

    Raises:
        ConfigError: it does not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"gateway.demo.{_SYSTEM}",
        f"--seed={seed}",
        "--until-stdin-closes",
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    try:
        yield Downstream(process, await _url(process, clock))
    finally:
        await _end(process, clock)


async def _url(process: Process, clock: Clock) -> str:
    assert process.stdout is not None
    try:
        with Expiry(clock, clock.now() + _START_S):
            line = (await process.stdout.readline()).decode()
    except Expired:
        line = ""
    name, _, url = line.strip().partition(" on ")
    if name != _SYSTEM or not url:
        raise ConfigError.one("", f"the demo's simulated {_SYSTEM} service did not start")
    return url


async def _end(process: Process, clock: Clock) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        with Expiry(clock, clock.now() + _STOP_S):
            await process.wait()
    except Expired:
        process.kill()
        await process.wait()


async def run(listen: str | None, ops_listen: str | None, seed: int) -> None:
    """Serve the demo until a signal, then drain; a second signal ends at once.

    Args:
        listen: HOST:PORT of the gRPC listener, None for the default.
        ops_listen: HOST:PORT of the ops port, "off", or None for the default.
        seed: of what the downstream holds and how it misbehaves.

    Raises:
        ConfigError: a port cannot be listened on, or the downstream ended.
    """
    clock = SystemClock()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, stop, number)
    with TemporaryDirectory(prefix="seawall-demo-") as folder:
        await _serve(listen, ops_listen, seed, folder, clock, stop)


async def _serve(
    listen: str | None,
    ops_listen: str | None,
    seed: int,
    folder: str,
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    async with downstream(seed, clock) as panel:
        settings = Settings(
            config=_CONFIG,
            listen=listen,
            ops_listen=ops_listen,
            flags=Flags((), dict.fromkeys(_UPSTREAMS, panel.url)),
        )
        loaded = load(settings)
        loaded.document.config.state.durable = f"sqlite:///{folder}/seawall.db"
        gateway = Gateway(settings, loaded, listeners=[AccessLog()], clock=clock)
        await gateway.start()
        try:
            report.serving(loaded, gateway.addresses, gateway.ops_address, gateway.kept_at)
            print(banner(gateway.address, panel.url), flush=True)
            how = await _first(stop, panel)
        finally:
            await gateway.stop()
    if how:
        raise ConfigError.one("", f"the demo's simulated {_SYSTEM} service ended with {how}")


def _on_signal(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        os._exit(128 + number)
    stop.set()


async def _first(stop: asyncio.Event, panel: Downstream) -> str:
    """Wait for a signal or the downstream's end; return how it ended, empty for a signal."""
    signalled = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(panel.ended())
    try:
        await asyncio.wait({signalled, ended}, return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() and not stop.is_set() else ""
    finally:
        signalled.cancel()
        ended.cancel()


@dataclass(frozen=True, slots=True)
class Example:
    """A call to try.

    Args:
        shows: one line.
        options: of grpcurl, before the address.
        method: that is called.
    """

    shows: str
    options: str
    method: str

    def command(self, target: str) -> str:
        """Return the line to type."""
        return f"grpcurl -plaintext {self.options} {target} {self.method}"


EXAMPLES = (
    Example(
        "An order, read over REST. `list` and `describe NAME` work as well.",
        """-d '{"orderId":"ord-1001"}'""",
        "panel.v1.OrderService/GetOrder",
    ),
    Example(
        "Retry: it answers 503 twice. You see none of that; the log here does.",
        """-d '{"orderId":"ord-flaky"}'""",
        "panel.v1.OrderService/GetOrder",
    ),
    Example(
        "Deadline: it would take 30 s, you allow 2, and its work is ended with you.",
        """-max-time 2 -d '{"orderId":"ord-slow"}'""",
        "panel.v1.OrderService/GetOrder",
    ),
    Example(
        "Error details: who failed, after how many attempts, when to come back.",
        """-d '{"orderId":"ord-limited"}'""",
        "panel.v1.OrderService/GetOrder",
    ),
    Example(
        "Who may: settings ask for a role. Without the key you are told so.",
        "-H 'x-api-key: demo-admin'",
        "panel.v1.SettingsService/GetSettings",
    ),
    Example(
        "Rate limit: five logins in 15 minutes; the sixth is told when to come back.",
        """-d '{"email":"ann@example.com","password":"guess"}'""",
        "panel.v1.AuthService/Login",
    ),
    Example(
        "Health, of the gateway or of one service, as Kubernetes asks for it.",
        """-d '{"service":"panel.v1.OrderService"}'""",
        "grpc.health.v1.Health/Check",
    ),
)


def banner(address: str, panel_url: str) -> str:
    """Return what to try.

    Args:
        address: HOST:PORT that the gateway listens on.
        panel_url: of the simulated service.
    """
    target = reachable(address)
    calls = "\n".join(
        f"  {number}. {example.shows}\n     {example.command(target)}"
        for number, example in enumerate(EXAMPLES, 1)
    )
    return (
        f"\nBehind it: a simulated REST service on {panel_url}\n"
        f"In another terminal, try:\n\n"
        f"{calls}\n\n"
        f"Let half of the requests fail (-X DELETE ends it; /_demo/stats has counts):\n"
        f"     curl -X PUT {panel_url}/_demo/faults"
        f""" -d '{{"faults":[{{"status":503,"share":0.5}}]}}'\n\n"""
        f"Ctrl-C ends the demo. Each call and each retry is logged below.\n"
    )


def reachable(address: str) -> str:
    """Return what a client on this machine writes to reach a listener on `address`."""
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in ("127.0.0.1", "0.0.0.0", "[::1]", "[::]") else address
