"""Row C3: ten requests are under way at the project backend, the others wait for a place
and are served in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cloud.v1 import projects_pb2, projects_pb2_grpc
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import failure_of, gateway_over, settled, upstream
from support.gateways import Running

Code = grpc.StatusCode

PROJECTS = "/v1/projects"
PLACES = 10


@pytest.fixture
async def running(cloud: Downstream, tmp_path: Path) -> AsyncIterator[Running]:
    async with gateway_over("cloud", {"cloud": cloud.url}, tmp_path) as running:
        yield running


@pytest.fixture
def projects(running: Running) -> projects_pb2_grpc.ProjectServiceStub:
    return projects_pb2_grpc.ProjectServiceStub(running.channel)


def get(number: int) -> projects_pb2.GetProjectRequest:
    return projects_pb2.GetProjectRequest(project_id=f"prj-{number}")


async def waiting(running: Running) -> int:
    return (await upstream(running.channel, "cloud")).concurrency.queued


async def filled(cloud: Downstream, projects) -> list[grpc.aio.Call]:
    """Take every place by calls that hang."""
    hanging = [{"path": f"{PROJECTS}/prj-{101 + i}", "latency_s": 60} for i in range(PLACES)]
    cloud.set_faults(*hanging)
    calls = [projects.GetProject(get(101 + i)) for i in range(PLACES)]
    await eventually(lambda: cloud.stats()["concurrency"]["current"] == PLACES)
    return calls


async def test_ten_are_under_way_and_all_are_served(cloud: Downstream, projects) -> None:
    cloud.set_faults({"latency_s": 0.1})
    calls = [projects.GetProject(get(101 + i % 30)) for i in range(60)]
    found = [project.project_id for project in await asyncio.gather(*calls)]
    assert found == [f"prj-{101 + i % 30}" for i in range(60)]
    stats = cloud.stats()
    assert stats["concurrency"]["peak"] == PLACES
    assert stats["statuses"] == {"200": 60}


async def test_callers_of_several_connections_and_methods_share_the_ten(
    cloud: Downstream, running: Running
) -> None:
    cloud.set_faults({"latency_s": 0.1})
    options = [("grpc.use_local_subchannel_pool", 1)]
    address = running.gateway.address
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(5)]
    stubs = [projects_pb2_grpc.ProjectServiceStub(channel) for channel in channels]
    await asyncio.gather(
        *(stub.GetProject(get(101)) for stub in stubs for _ in range(4)),
        *(  # pages of different sizes: equal ones would be one
            stub.ListProjects(projects_pb2.ListProjectsRequest(page_size=n))
            for n, stub in enumerate(stubs * 4, 1)
        ),
    )
    await asyncio.gather(*(channel.close() for channel in channels))
    stats = cloud.stats()
    assert stats["concurrency"]["peak"] == PLACES
    assert stats["statuses"] == {"200": 40}


async def test_those_that_wait_are_served_in_order_of_arrival(
    cloud: Downstream, running: Running, projects
) -> None:
    hanging = await filled(cloud, projects)
    numbers = [130, 111, 129, 112, 128, 113, 127, 114, 126, 115]
    calls = []
    for i, number in enumerate(numbers):
        calls.append(projects.GetProject(get(number)))

        async def queued(count: int = i + 1) -> bool:
            return await waiting(running) == count

        await settled(queued)
    assert cloud.stats()["total"] == PLACES  # none of them has been sent
    hanging[0].cancel()  # one place, through which all of them go
    await asyncio.gather(*calls)
    served = list(cloud.stats()["requests"])[PLACES:]
    assert served == [f"GET {PROJECTS}/prj-{number}" for number in numbers]
    assert cloud.stats()["concurrency"]["peak"] == PLACES
    for call in hanging:
        call.cancel()


async def test_a_caller_that_leaves_the_queue_is_never_sent(
    cloud: Downstream, running: Running, projects
) -> None:
    hanging = await filled(cloud, projects)
    leaving, staying = projects.GetProject(get(120)), projects.GetProject(get(121))

    async def queued(count: int) -> bool:
        return await waiting(running) == count

    await settled(lambda: queued(2))
    leaving.cancel()
    await settled(lambda: queued(1))
    hanging[0].cancel()
    assert (await staying).project_id == "prj-121"
    assert cloud.seen(f"GET {PROJECTS}/prj-120") == 0
    for call in hanging:
        call.cancel()


async def test_a_full_queue_is_told_at_once(cloud: Downstream, tmp_path: Path) -> None:
    config = "upstreams: {cloud: {policy: {bulkhead: {max_queued: 2}}}}"
    urls = {"cloud": cloud.url}
    async with gateway_over("cloud", urls, tmp_path, config=config) as running:
        projects = projects_pb2_grpc.ProjectServiceStub(running.channel)
        hanging = await filled(cloud, projects)
        queued = [projects.GetProject(get(120 + i)) for i in range(2)]

        async def full() -> bool:
            return await waiting(running) == 2

        await settled(full)
        failure = await failure_of(projects.GetProject(get(122)))
        assert (failure.code, failure.reason) == (Code.RESOURCE_EXHAUSTED, "CONCURRENCY_LIMIT")
        assert (failure.origin, failure.attempts) == ("gateway", 0)
        assert cloud.stats()["total"] == PLACES
        for call in (*hanging, *queued):
            call.cancel()
