"""A gateway of a test's own over simulated downstreams, and what operators see of it.

In this process it runs on the clock that the test drives; sockets and downstreams are
real, so nothing here waits for a policy's time.
"""

import asyncio
import hashlib
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from fakes.clock import FakeClock
from prometheus_client.parser import text_string_to_metric_families
from scenarios.downstreams import eventually
from seawall.admin.v1 import admin_pb2, admin_pb2_grpc
from seawall_client.failure import Failure, read_failure
from support.gateways import Running, gateway_for

import gateway.demo
from gateway.core.clock import Clock, Rng
from gateway.core.events import RetryScheduled

State = admin_pb2.Breaker.State

ANYBODY = "defaults: {method: {auth: {mode: OPTIONAL}}}"
"""YAML: whoever sends no key is nobody in particular, where no role is needed."""


def key_of(caller: str) -> str:
    """Return the API key of a caller that `callers` makes known."""
    return f"test-key-of-{caller}-4711"


def as_(caller: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call of theirs."""
    return (("x-api-key", key_of(caller)),)


def callers(**roles: str) -> str:
    """Return YAML of callers with an API key each, by name, with their role; "" for none."""
    keys = [
        {
            "caller": name,
            "sha256": hashlib.sha256(key_of(name).encode()).hexdigest(),
            "roles": [role] if role else [],
        }
        for name, role in roles.items()
    ]
    return f"identity: {json.dumps({'providers': {'keys': {'api_keys': {'keys': keys}}}})}"


_CALLERS = {"panel": f"{callers(root='admin')}\n{ANYBODY}"}
"""What a system needs to be served at all, where a test says nothing of callers."""


def descriptors(system: str) -> Path:
    """Return the descriptor set that the demo ships of a system."""
    return Path(gateway.demo.__file__).with_name(f"{system}.binpb")


@asynccontextmanager
async def gateway_over(
    system: str,
    urls: Mapping[str, str],
    tmp_path: Path,
    *,
    clock: Clock | None = None,
    rng: Rng | None = None,
    config: str = "",
) -> AsyncIterator[Running]:
    """Run a gateway over a system with the policies that its protos declare.

    Args:
        system: "cloud".
        urls: of its upstreams, by name.
        tmp_path: for its YAML.
        clock: to drive.
        rng: to draw from.
        config: more YAML.
    """
    text = f"descriptor_set: {descriptors(system)}\nadmin: {{enabled: true}}\n{config}\n"
    if "state:" not in config:
        text += f"state: {{durable: 'sqlite:///{tmp_path}/seawall.db'}}\n"
    if "identity:" not in config:
        text += _CALLERS.get(system, "") + "\n"
    if isinstance(clock, FakeClock):
        text += "overload: {disabled: true}\n"  # time that jumps looks like a late event loop
    running = gateway_for(urls, proto=None, config=text, tmp_path=tmp_path, clock=clock, rng=rng)
    passing: asyncio.Task[None] | None = None
    try:
        async with running as gateway:
            try:
                yield gateway
            finally:
                if isinstance(clock, FakeClock):  # the drain waits on it too
                    passing = asyncio.create_task(_pass(clock))
    finally:
        if passing is not None:
            passing.cancel()


async def _pass(clock: FakeClock) -> None:
    while True:
        clock.advance(0.1)
        await asyncio.sleep(0.005)


async def failure_of(call: Awaitable[object]) -> Failure:
    """Wait for a call that fails, and return what its caller is told."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return read_failure(error)
    raise AssertionError(f"the call succeeded: {answer}")


# What operators see


async def upstream(channel: grpc.aio.Channel, name: str) -> admin_pb2.Upstream:
    """Return the state of an upstream, as AdminService tells it."""
    request = admin_pb2.ListUpstreamsRequest(names=[name])
    answer = await admin_pb2_grpc.AdminServiceStub(channel).ListUpstreams(request)
    (found,) = answer.upstreams
    return found


async def breaker(channel: grpc.aio.Channel, name: str) -> admin_pb2.Breaker:
    """Return the state of an upstream's only breaker."""
    (found,) = (await upstream(channel, name)).breakers
    return found


def samples(ops: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the values of a metric, by its labels in order of their names.

    Args:
        ops: URL of the ops port.
        name: as Prometheus has it.
    """
    with urllib.request.urlopen(f"{ops}/metrics", timeout=20) as response:
        text = response.read().decode()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def sample(ops: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's values that carry `labels`; 0 where there are none."""
    wanted = set(labels.items())
    return sum(value for at, value in samples(ops, name).items() if wanted <= set(at))


def lines(log: Path, event: str) -> list[dict[str, Any]]:
    """Return the lines of one sort in a gateway's JSON log."""
    told = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line for line in told if line["event"] == event]


# Time


async def through_backoffs(call: grpc.aio.Call, running: Running, clock: FakeClock) -> list[float]:
    """Let time pass by each backoff of a call that has just begun, until it is over.

    Args:
        call: the only one that is under way.
        running: the gateway.
        clock: its clock.

    Returns:
        The backoffs, in seconds.
    """
    before = len(running.of(RetryScheduled))
    passed: list[float] = []

    def scheduled() -> list[float]:
        return [event.delay_s for event in running.of(RetryScheduled)[before:]]

    while not call.done():
        await eventually(lambda: call.done() or len(scheduled()) > len(passed))
        if len(scheduled()) > len(passed):
            passed.append(scheduled()[len(passed)])
            clock.advance(passed[-1])
    return scheduled()


async def settled(holds: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    """Wait until `holds()`: as `eventually`, for what is asked by RPC."""
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.02)
