"""Row D3: a deployment is an operation at once, and comes to its end whatever is killed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from deploy.v1 import deployments_pb2, deployments_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from google.longrunning import operations_pb2
from google.rpc import code_pb2
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import descriptors, gateway_over
from scenarios.operations import durable, ended, get, metadata_of, wait
from support.gateways import Running, seawall_process

from gateway.core.events import OperationAttempted

DEPLOY = "POST /deployments"
ASKED_FOR = "/_demo/deployments"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(deployer: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls = {"template-registry": deployer.url, "store-deployer": deployer.url}
    rng, config = FakeRng([0.0]), durable(tmp_path)
    async with gateway_over("deploy", urls, tmp_path, clock=clock, rng=rng, config=config) as one:
        yield one


def deploy(channel: grpc.aio.Channel, store: str = "store-9", key: str = ""):
    request = deployments_pb2.DeployRequest(store=store, template_id="tpl-books", version="3.0.1")
    metadata = (("idempotency-key", key),) if key else ()
    return deployments_pb2_grpc.StoreDeployerServiceStub(channel).Deploy(request, metadata=metadata)


def deployment_of(operation: operations_pb2.Operation) -> deployments_pb2.Deployment:
    deployment = deployments_pb2.Deployment()
    assert operation.response.Unpack(deployment), operation
    return deployment


def asked_for(deployer: Downstream) -> list[str]:
    found: list[str] = deployer.ask("GET", ASKED_FOR)[1]["deployments"]
    return found


async def test_it_is_an_operation_at_once_and_ends_with_the_deployment(
    running: Running, clock: FakeClock, deployer: Downstream
) -> None:
    begun = await deploy(running.channel)
    assert not begun.done
    await eventually(lambda: deployer.seen(DEPLOY) == 1)
    metadata = metadata_of(await get(running.channel, begun.name))
    assert metadata.method == "deploy.v1.StoreDeployerService/Deploy"
    deployment = deployment_of(await ended(running, clock, begun.name))
    assert (deployment.store, deployment.state) == ("store-9", deployments_pb2.Deployment.SUCCEEDED)
    assert [deployment.deployment_id] == asked_for(deployer)


async def test_wait_returns_at_its_end(running: Running, clock: FakeClock) -> None:
    begun = await deploy(running.channel)
    waiting = asyncio.ensure_future(wait(running.channel, begun.name, 600))
    while not waiting.done():
        clock.advance(0.5)
        await asyncio.sleep(0.01)
    assert deployment_of(await waiting).state == deployments_pb2.Deployment.SUCCEEDED


async def test_the_same_key_or_the_same_deployment_does_no_work_twice(
    running: Running, clock: FakeClock, deployer: Downstream
) -> None:
    first = await deploy(running.channel)
    assert (await deploy(running.channel)).name == first.name
    keyed = await deploy(running.channel, "store-10", "k1")
    assert (await deploy(running.channel, "store-10", "k1")).name == keyed.name != first.name
    for name in (first.name, keyed.name):
        await ended(running, clock, name)
    assert (await deploy(running.channel)).done
    assert len(asked_for(deployer)) == 2


async def test_first_503_then_success_ends_in_success(
    running: Running, clock: FakeClock, deployer: Downstream
) -> None:
    deployer.set_faults({"path": "/deployments", "status": 503, "count": 4})
    begun = await deploy(running.channel)
    deployment = deployment_of(await ended(running, clock, begun.name))
    assert deployment.state == deployments_pb2.Deployment.SUCCEEDED
    assert deployer.seen(DEPLOY) >= 5
    assert len(asked_for(deployer)) == 1
    failed = [e for e in running.of(OperationAttempted) if e.outcome.error is not None]
    assert failed


async def test_a_deployment_that_fails_ends_as_a_failure(
    running: Running, clock: FakeClock
) -> None:
    begun = await deploy(running.channel, "store-broken")
    assert (await ended(running, clock, begun.name)).error.code == code_pb2.FAILED_PRECONDITION


async def test_it_survives_a_gateway_that_is_killed(deployer: Downstream, tmp_path: Path) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(f"descriptor_set: {descriptors('deploy')}\n{durable(tmp_path)}\n")
    arguments = ["--config", str(config), f"--upstream=template-registry={deployer.url}"]
    arguments.append(f"--upstream=store-deployer={deployer.url}")
    deployer.set_faults({"path": "/deployments", "latency_s": 2.0, "count": 1})
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with seawall_process(*arguments, tmp_path=tmp_path / "one") as seawall:
        async with grpc.aio.insecure_channel(seawall.address) as channel:
            begun = await deploy(channel)
            await eventually(lambda: deployer.stats()["concurrency"]["current"] == 1)
            seawall.process.send_signal(signal.SIGKILL)
            seawall.process.wait()
    with seawall_process(*arguments, tmp_path=tmp_path / "two") as seawall:
        async with grpc.aio.insecure_channel(seawall.address) as channel:
            deployment = deployment_of(await wait(channel, begun.name))
            assert deployment.state == deployments_pb2.Deployment.SUCCEEDED
    assert len(asked_for(deployer)) == 1
