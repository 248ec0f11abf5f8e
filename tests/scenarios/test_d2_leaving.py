"""Row D2: a caller's cancel or deadline ends the work of the service behind, as the service
itself sees it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from deploy.v1 import deployments_pb2, deployments_pb2_grpc, templates_pb2, templates_pb2_grpc
from fakes.clock import FakeClock
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import descriptors, failure_of, gateway_over
from support.gateways import GatewayProcess, Running, seawall_process

from gateway.core.events import CallEnded, RetryScheduled

Code = grpc.StatusCode

GROCERY = "/templates/tpl-grocery"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    registry: Downstream, deployer: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = {"template-registry": registry.url, "store-deployer": deployer.url}
    async with gateway_over("deploy", urls, tmp_path, clock=clock) as running:
        yield running


@pytest.fixture
def seawall(registry: Downstream, deployer: Downstream, tmp_path: Path) -> Iterator[GatewayProcess]:
    environ = {"TEMPLATE_REGISTRY_URL": registry.url, "STORE_DEPLOYER_URL": deployer.url}
    arguments = ("--descriptor-set", str(descriptors("deploy")))
    with seawall_process(*arguments, tmp_path=tmp_path, environ=environ) as seawall:
        yield seawall


def slow_call(service: str, channel: grpc.aio.Channel, timeout_s: float | None) -> grpc.aio.Call:
    """Start a call that takes a minute."""
    if service == "registry":
        request = templates_pb2.GetTemplateRequest(template_id="tpl-slow")
        stub = templates_pb2_grpc.TemplateRegistryServiceStub(channel)
        return stub.GetTemplate(request, timeout=timeout_s)
    asked = deployments_pb2.GetDeploymentRequest(deployment_id="dep-slow")
    return deployments_pb2_grpc.StoreDeployerServiceStub(channel).GetDeployment(
        asked, timeout=timeout_s
    )


async def work_ends(downstream: Downstream) -> None:
    await eventually(lambda: downstream.idle)
    stats = downstream.stats()
    assert (stats["total"], stats["clients_gone"], stats["statuses"]) == (1, 1, {})


@pytest.mark.parametrize("service", ["registry", "deployer"])
async def test_a_cancel_ends_the_work(
    service: str, seawall: GatewayProcess, request: pytest.FixtureRequest
) -> None:
    downstream: Downstream = request.getfixturevalue(service)
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        call = slow_call(service, channel, None)
        await eventually(lambda: not downstream.idle)
        call.cancel()
        await work_ends(downstream)


@pytest.mark.parametrize("service", ["registry", "deployer"])
async def test_a_client_that_vanishes_ends_the_work(
    service: str, seawall: GatewayProcess, request: pytest.FixtureRequest
) -> None:
    downstream: Downstream = request.getfixturevalue(service)
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        slow_call(service, channel, None)
        await eventually(lambda: not downstream.idle)
    await work_ends(downstream)


@pytest.mark.parametrize("service", ["registry", "deployer"])
async def test_a_deadline_ends_the_work(
    service: str, running: Running, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    downstream: Downstream = request.getfixturevalue(service)
    call = slow_call(service, running.channel, 8)
    await eventually(lambda: not downstream.idle)
    clock.advance(8)
    failure = await failure_of(call)
    assert (failure.code, failure.attempts) == (Code.DEADLINE_EXCEEDED, 1)
    await work_ends(downstream)


async def test_nothing_more_is_sent_for_a_caller_that_left_during_a_backoff(
    registry: Downstream, running: Running, clock: FakeClock
) -> None:
    registry.set_faults({"path": GROCERY, "status": 503})
    stub = templates_pb2_grpc.TemplateRegistryServiceStub(running.channel)
    call = stub.GetTemplate(templates_pb2.GetTemplateRequest(template_id="tpl-grocery"))
    await eventually(lambda: running.of(RetryScheduled) != [])
    call.cancel()
    await eventually(lambda: running.of(CallEnded) != [])
    clock.advance(30)
    await stub.GetTemplate(templates_pb2.GetTemplateRequest(template_id="tpl-books"))
    assert registry.seen(f"GET {GROCERY}") == 1


async def test_others_that_share_the_connection_pool_are_served_on(
    registry: Downstream, running: Running
) -> None:
    stub = templates_pb2_grpc.TemplateRegistryServiceStub(running.channel)
    calls = [slow_call("registry", running.channel, None) for _ in range(24)]
    await eventually(lambda: registry.stats()["concurrency"]["current"] == 24)
    for call in calls:
        call.cancel()
    await eventually(lambda: registry.idle)
    book = await stub.GetTemplate(templates_pb2.GetTemplateRequest(template_id="tpl-books"))
    assert book.template_id == "tpl-books"
    assert registry.stats()["clients_gone"] == 24
