"""Row D4: a flapping registry or deployer opens its breaker, calls bail out quickly, and
every transition is a line in the log and a metric."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from deploy.v1 import deployments_pb2, deployments_pb2_grpc, templates_pb2, templates_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import (
    State,
    breaker,
    descriptors,
    failure_of,
    gateway_over,
    lines,
    sample,
    samples,
    through_backoffs,
)
from seawall_client.failure import Failure, read_failure
from support.gateways import GatewayProcess, Running, seawall_process

from gateway.core.events import BreakerChanged

Code = grpc.StatusCode
Read = Callable[[], Awaitable[object]]

THRESHOLD = 5
POLLERS = 5
FAILURE_S = 0.1
UPSTREAMS = {"registry": "template-registry", "deployer": "store-deployer"}
both = pytest.mark.parametrize("service", UPSTREAMS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    registry: Downstream, deployer: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = {"template-registry": registry.url, "store-deployer": deployer.url}
    # Drawn like this a backoff takes no time, in which the breaker would go on.
    rng = FakeRng([0.0])
    async with gateway_over("deploy", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


@pytest.fixture
def seawall(registry: Downstream, deployer: Downstream, tmp_path: Path) -> Iterator[GatewayProcess]:
    environ = {"TEMPLATE_REGISTRY_URL": registry.url, "STORE_DEPLOYER_URL": deployer.url}
    arguments = ("--descriptor-set", str(descriptors("deploy")), "--log-format", "json")
    with seawall_process(*arguments, tmp_path=tmp_path, environ=environ) as seawall:
        yield seawall


def reader(service: str, channel: grpc.aio.Channel) -> Callable[[], grpc.aio.Call]:
    """Return what starts a read of a service."""
    if service == "registry":
        templates = templates_pb2_grpc.TemplateRegistryServiceStub(channel)
        template = templates_pb2.GetTemplateRequest(template_id="tpl-grocery")
        return lambda: templates.GetTemplate(template)
    deployments = deployments_pb2_grpc.StoreDeployerServiceStub(channel)
    asked = deployments_pb2.GetDeploymentRequest(deployment_id="dep-101")
    return lambda: deployments.GetDeployment(asked)


def changes(running: Running) -> list[tuple[str, str, str]]:
    return [(e.upstream, e.before, e.after) for e in running.of(BreakerChanged)]


async def failing_until_open(read: Read) -> Failure:
    """Call until the breaker refuses, and return what is told then."""
    for _ in range(THRESHOLD):
        failure = await failure_of(read())
        if (failure.reason, failure.attempts) == ("BREAKER_OPEN", 0):
            return failure
    raise AssertionError(f"the breaker does not open: {failure}")


# On a clock that the test drives


@both
async def test_five_failures_open_it_and_the_other_service_is_not_concerned(
    service: str,
    running: Running,
    clock: FakeClock,
    request: pytest.FixtureRequest,
) -> None:
    downstream: Downstream = request.getfixturevalue(service)
    downstream.set_faults({"status": 503})
    read = reader(service, running.channel)
    while not changes(running):
        call = read()
        await through_backoffs(call, running, clock)
        await failure_of(call)
    assert changes(running) == [(UPSTREAMS[service], "closed", "open")]
    assert downstream.stats()["total"] == THRESHOLD

    for _ in range(20):  # nobody moves time: they wait for nothing
        failure = await failure_of(read())
        assert (failure.code, failure.reason) == (Code.UNAVAILABLE, "BREAKER_OPEN")
        assert (failure.upstream, failure.attempts) == (UPSTREAMS[service], 0)
        assert 0 < failure.retry_delay_s <= 0.25
    assert downstream.stats()["total"] == THRESHOLD

    (other,) = set(UPSTREAMS) - {service}
    await reader(other, running.channel)()
    assert (await breaker(running.channel, UPSTREAMS[other])).state == State.STATE_CLOSED


@both
async def test_it_is_in_use_again_within_half_a_second_of_coming_back(
    service: str,
    running: Running,
    clock: FakeClock,
    request: pytest.FixtureRequest,
) -> None:
    downstream: Downstream = request.getfixturevalue(service)
    read = reader(service, running.channel)
    for turn in range(1, 4):  # it flaps: each time the breaker opens and closes again
        downstream.set_faults({"status": 503})
        while len(changes(running)) == 3 * (turn - 1):
            call = read()
            await through_backoffs(call, running, clock)
            await failure_of(call)
        downstream.set_faults()
        clock.advance(0.5)
        await read()
        await read()
        assert changes(running)[3 * (turn - 1) :] == [
            (UPSTREAMS[service], "closed", "open"),
            (UPSTREAMS[service], "open", "half_open"),
            (UPSTREAMS[service], "half_open", "closed"),
        ]


# On a gateway as people start it


async def test_transitions_are_lines_in_the_log_and_a_metric(
    registry: Downstream, seawall: GatewayProcess
) -> None:
    name = UPSTREAMS["registry"]

    def state() -> str:
        found = samples(seawall.ops, "seawall_breaker_state")
        (now,) = (
            dict(labels)["state"]
            for labels, value in found.items()
            if dict(labels)["upstream"] == name and value == 1
        )
        return now

    def transitions(to: str) -> float:
        return sample(seawall.ops, "seawall_breaker_transitions_total", upstream=name, to=to)

    async with grpc.aio.insecure_channel(seawall.address) as channel:
        read = reader("registry", channel)
        await read()
        assert state() == "closed"
        for turn in range(1, 3):
            registry.set_faults({"status": 503})
            failure = await failing_until_open(read)
            assert failure.retry_delay_s is not None
            assert transitions("open") >= turn
            assert state() in ("open", "half_open")
            registry.set_faults()
            await recovers(read)
            await eventually(lambda count=turn: transitions("closed") == count)
            assert state() == "closed"
            assert transitions("half_open") >= turn

    told = [line for line in lines(seawall.log, "breaker") if line["upstream"] == name]
    steps = [(line["before"], line["after"]) for line in told]
    assert steps == [("closed", "open"), ("half_open", "closed")] * 2  # probes are for who debugs
    assert steps.count(("closed", "open")) == 2
    assert all(line["why"] for line in told)
    assert [line["upstream"] for line in lines(seawall.log, "breaker")] == [name] * len(told)


async def recovers(read: Read) -> None:
    """Call until two calls in a row succeed."""
    succeeded = 0
    async with asyncio.timeout(20):
        while succeeded < 2:
            try:
                await read()
                succeeded += 1
            except grpc.aio.AioRpcError:
                succeeded = 0
                await asyncio.sleep(0.02)


@both
async def test_calls_bail_out_quickly_while_a_service_flaps(
    service: str, seawall: GatewayProcess, request: pytest.FixtureRequest
) -> None:
    downstream: Downstream = request.getfixturevalue(service)
    name = UPSTREAMS[service]
    # Down it takes its time over each failure, which is what makes callers pile up.
    turns = {"down_s": 1.2, "up_s": 0.6}
    downstream.set_faults({"status": 503, "latency_s": FAILURE_S, "flap": turns})

    def closed() -> float:
        return sample(seawall.ops, "seawall_breaker_transitions_total", upstream=name, to="closed")

    refused_after_s: list[float] = []
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        read = reader(service, channel)
        pollers = [asyncio.create_task(poll(read, refused_after_s)) for _ in range(POLLERS)]
        try:
            await eventually(lambda: closed() >= 2)
        finally:
            for poller in pollers:
                poller.cancel()
            await asyncio.wait(pollers)
    assert len(refused_after_s) > downstream.stats()["statuses"]["503"]
    assert sorted(refused_after_s)[len(refused_after_s) // 2] < FAILURE_S


async def poll(read: Read, refused_after_s: list[float]) -> None:
    """Read for ever, as impatient callers do; note how long refused calls took."""
    while True:
        began_at = time.monotonic()
        try:
            await read()
        except grpc.aio.AioRpcError as error:
            if read_failure(error).attempts == 0:
                refused_after_s.append(time.monotonic() - began_at)
        await asyncio.sleep(0.02)
