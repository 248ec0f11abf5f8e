"""Row D1: reads of the template registry and the store deployer over one tuned pool of
connections each, with at most 3 attempts and 30 s in all."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from deploy.v1 import deployments_pb2, deployments_pb2_grpc, templates_pb2, templates_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import descriptors, failure_of, gateway_over, lines, through_backoffs
from seawall_client.failure import read_failure
from support.gateways import GatewayProcess, Running, run_seawall, seawall_process

from gateway.core.events import RetryScheduled

Code = grpc.StatusCode

GROCERY = "/templates/tpl-grocery"
DEPLOYMENT = "/deployments/dep-101"
MAX_CONNECTIONS = 24
ATTEMPTS = 3


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    registry: Downstream, deployer: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = {"template-registry": registry.url, "store-deployer": deployer.url}
    rng = FakeRng([0.25])
    async with gateway_over("deploy", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


@pytest.fixture
def seawall(registry: Downstream, deployer: Downstream, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway as people start it: told by the environment where the services are."""
    environ = {"TEMPLATE_REGISTRY_URL": registry.url, "STORE_DEPLOYER_URL": deployer.url}
    arguments = ("--descriptor-set", str(descriptors("deploy")), "--log-format", "json")
    with seawall_process(*arguments, tmp_path=tmp_path, environ=environ) as seawall:
        yield seawall


@pytest.fixture
def templates(running: Running) -> templates_pb2_grpc.TemplateRegistryServiceStub:
    return templates_pb2_grpc.TemplateRegistryServiceStub(running.channel)


@pytest.fixture
def deployments(running: Running) -> deployments_pb2_grpc.StoreDeployerServiceStub:
    return deployments_pb2_grpc.StoreDeployerServiceStub(running.channel)


def get(template_id: str = "tpl-grocery") -> templates_pb2.GetTemplateRequest:
    return templates_pb2.GetTemplateRequest(template_id=template_id)


def deployment(deployment_id: str = "dep-101") -> deployments_pb2.GetDeploymentRequest:
    return deployments_pb2.GetDeploymentRequest(deployment_id=deployment_id)


def connections(downstream: Downstream) -> int:
    return downstream.ask("GET", "/_demo/connections")[1]["connections"]


# What the services do, and where they are


async def test_templates_and_deployments_are_read(templates, deployments) -> None:
    request = templates_pb2.ListTemplatesRequest(category="media", page_size=1)
    page = await templates.ListTemplates(request)
    assert [template.template_id for template in page.templates] == ["tpl-books"]
    request.page_token = page.next_page_token
    (last,) = (await templates.ListTemplates(request)).templates
    assert last == await templates.GetTemplate(get("tpl-records"))
    assert last.publish_time.seconds > 1_700_000_000
    found = await deployments.GetDeployment(deployment())
    assert (found.deployment_id, found.store) == ("dep-101", "store-1")
    assert found.state != deployments_pb2.Deployment.STATE_UNSPECIFIED


async def test_each_service_is_asked_for_its_own(
    registry: Downstream, deployer: Downstream, templates, deployments
) -> None:
    await templates.GetTemplate(get())
    await deployments.GetDeployment(deployment())
    assert registry.stats()["requests"] == {f"GET {GROCERY}": 1}
    assert deployer.stats()["requests"] == {f"GET {DEPLOYMENT}": 1}


@pytest.mark.parametrize(
    ("method", "variable", "url"),
    [
        (
            "TemplateRegistryService/GetTemplate",
            "TEMPLATE_REGISTRY_URL",
            "http://template-registry:9001",
        ),
        (
            "StoreDeployerService/GetDeployment",
            "STORE_DEPLOYER_URL",
            "http://store-deployer:9003",
        ),
    ],
)
def test_the_environment_says_where_a_service_is_and_there_is_a_default(
    method: str, variable: str, url: str
) -> None:
    explain = ("explain", f"deploy.v1.{method}", "--descriptor-set", str(descriptors("deploy")))
    assert url in run_seawall(*explain, **{variable: ""}).stdout
    other = run_seawall(*explain, **{variable: "http://elsewhere:9999"}).stdout
    assert "http://elsewhere:9999" in other
    assert url not in other


def test_a_gateway_starts_before_the_services_can_be_found(tmp_path: Path) -> None:
    environ = {"TEMPLATE_REGISTRY_URL": "http://nowhere.invalid:9001"}
    arguments = ("--descriptor-set", str(descriptors("deploy")))
    with seawall_process(*arguments, tmp_path=tmp_path, environ=environ) as seawall:
        with grpc.insecure_channel(seawall.address) as channel:
            stub = templates_pb2_grpc.TemplateRegistryServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetTemplate(get(), timeout=20)
    failure = read_failure(caught.value)
    assert (failure.code, failure.upstream) == (Code.UNAVAILABLE, "template-registry")


# One pool


def test_calls_one_after_another_use_one_connection(
    registry: Downstream, seawall: GatewayProcess
) -> None:
    for _ in range(5):  # clients that come and go
        with grpc.insecure_channel(seawall.address) as channel:
            stub = templates_pb2_grpc.TemplateRegistryServiceStub(channel)
            for _ in range(4):
                stub.GetTemplate(get())
                stub.ListTemplates(templates_pb2.ListTemplatesRequest())
    assert registry.stats()["total"] == 40
    assert connections(registry) == 1


async def test_calls_at_once_share_the_connections_of_the_pool(
    registry: Downstream, seawall: GatewayProcess
) -> None:
    registry.set_faults({"latency_s": 0.1})
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(seawall.address, options) for _ in range(5)]
    stubs = [templates_pb2_grpc.TemplateRegistryServiceStub(channel) for channel in channels]
    for _ in range(3):
        await asyncio.gather(*(stub.GetTemplate(get()) for stub in stubs for _ in range(12)))
    await asyncio.gather(*(channel.close() for channel in channels))
    stats = registry.stats()
    assert stats["statuses"] == {"200": 180}
    assert stats["concurrency"]["peak"] <= MAX_CONNECTIONS
    # Not one more than were ever needed at once: all others were used again.
    assert connections(registry) == stats["concurrency"]["peak"] > 1


# Retries


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_read_that_fails_twice_succeeds(
    registry: Downstream, running: Running, clock: FakeClock, templates, status: int
) -> None:
    registry.set_faults({"path": GROCERY, "status": status, "count": 2})
    call = templates.GetTemplate(get())
    # A quarter of each bound, as drawn: full jitter under 0.2 s and 0.4 s.
    assert await through_backoffs(call, running, clock) == pytest.approx([0.05, 0.1])
    assert (await call).template_id == "tpl-grocery"
    assert registry.stats()["statuses"] == {str(status): 2, "200": 1}


async def test_a_connection_that_breaks_is_retried_alike(
    deployer: Downstream, running: Running, clock: FakeClock, deployments
) -> None:
    deployer.set_faults({"path": DEPLOYMENT, "drop": True, "count": 2})
    call = deployments.GetDeployment(deployment())
    assert len(await through_backoffs(call, running, clock)) == 2
    assert (await call).deployment_id == "dep-101"
    assert deployer.seen(f"GET {DEPLOYMENT}") == 3


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 504}, {"drop": True}])
async def test_a_read_is_given_up_after_three_attempts(
    registry: Downstream, running: Running, clock: FakeClock, templates, fault: dict
) -> None:
    registry.set_faults({"path": GROCERY, **fault})
    call = templates.GetTemplate(get())
    await through_backoffs(call, running, clock)
    assert (await failure_of(call)).attempts == ATTEMPTS
    assert registry.seen(f"GET {GROCERY}") == ATTEMPTS


@pytest.mark.parametrize("status", [400, 404, 429, 500, 501])
async def test_no_other_answer_is_retried(registry: Downstream, templates, status: int) -> None:
    registry.set_faults({"path": GROCERY, "status": status})
    assert (await failure_of(templates.GetTemplate(get()))).attempts == 1
    assert registry.seen(f"GET {GROCERY}") == 1


async def test_a_registry_that_hangs_is_tried_three_times_within_30_seconds(
    registry: Downstream, running: Running, clock: FakeClock, templates
) -> None:
    began_at = clock.now()
    call = templates.GetTemplate(get("tpl-slow"), timeout=60)  # more than a call may have
    for attempt in range(1, ATTEMPTS + 1):
        await eventually(lambda count=attempt: registry.seen("GET /templates/tpl-slow") == count)
        clock.advance(9)  # which is what an attempt may take
        await eventually(lambda: registry.idle)
        if attempt < ATTEMPTS:
            await eventually(lambda count=attempt: len(running.of(RetryScheduled)) == count)
            clock.advance(running.of(RetryScheduled)[-1].delay_s)
    failure = await failure_of(call)
    assert (failure.code, failure.attempts) == (Code.DEADLINE_EXCEEDED, ATTEMPTS)
    assert clock.now() - began_at <= 30
    assert registry.stats()["clients_gone"] == ATTEMPTS


async def test_a_call_has_30_seconds_in_all_whatever_it_asks_for(
    registry: Downstream, running: Running, clock: FakeClock, templates
) -> None:
    call = templates.GetTemplate(get("tpl-slow"), timeout=300)
    await eventually(lambda: not registry.idle)
    clock.advance(30)
    assert (await failure_of(call)).reason == "DEADLINE_EXCEEDED"
    await eventually(lambda: registry.idle)


def test_each_retry_is_a_line_in_the_log(registry: Downstream, seawall: GatewayProcess) -> None:
    with grpc.insecure_channel(seawall.address) as channel:
        stub = templates_pb2_grpc.TemplateRegistryServiceStub(channel)
        assert stub.GetTemplate(get("tpl-flaky")).template_id == "tpl-flaky"
    retries = lines(seawall.log, "retry")
    assert [line["attempt"] for line in retries] == [1, 2]
    for line, bound_ms in zip(retries, (200, 400), strict=True):
        assert line["method"] == "deploy.v1.TemplateRegistryService/GetTemplate"
        assert "'template-registry' answered 503" in line["error"]
        assert 0 <= line["delay_ms"] <= bound_ms
