"""Row C9: while the backend is away a change is kept; it is applied when it is back: in order,
once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloud.v1 import projects_pb2, projects_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.downstreams import Downstream
from scenarios.gateways import gateway_over, through_backoffs
from scenarios.operations import durable, ended
from support.gateways import Running

PROJECTS = "/v1/projects"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(cloud: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls = {"cloud": cloud.url}
    rng, config = FakeRng([0.0]), durable(tmp_path)
    async with gateway_over("cloud", urls, tmp_path, clock=clock, rng=rng, config=config) as one:
        yield one


async def rename(
    running: Running, clock: FakeClock, name: str, project_id: str = "prj-101"
) -> projects_pb2.Project:
    request = projects_pb2.UpdateProjectRequest(
        project=projects_pb2.Project(project_id=project_id, display_name=name)
    )
    call = projects_pb2_grpc.ProjectServiceStub(running.channel).UpdateProject(request)
    await through_backoffs(call, running, clock)
    return await call


async def test_a_change_is_made_at_once_while_the_backend_is_there(
    running: Running, clock: FakeClock
) -> None:
    changed = await rename(running, clock, "Lighthouse")
    assert (changed.display_name, changed.revision, changed.operation) == ("Lighthouse", 2, "")


async def test_changes_are_kept_while_it_is_away_and_applied_in_order_once(
    running: Running, cloud: Downstream, clock: FakeClock
) -> None:
    cloud.set_faults({"verb": "PATCH", "path": PROJECTS, "status": 503})
    kept = [await rename(running, clock, name) for name in ("One", "Two", "Three")]
    assert all(change.operation and not change.display_name for change in kept)
    cloud.set_faults()
    names = []
    for change in kept:
        found = await ended(running, clock, change.operation)
        project = projects_pb2.Project()
        assert found.response.Unpack(project)
        names.append((project.display_name, project.revision))
    assert names == [("One", 2), ("Two", 3), ("Three", 4)]
    after = await rename(running, clock, "Four")
    assert (after.display_name, after.revision, after.operation) == ("Four", 5, "")


async def test_a_change_does_not_overtake_those_that_wait(
    running: Running, cloud: Downstream, clock: FakeClock
) -> None:
    cloud.set_faults({"verb": "PATCH", "path": f"{PROJECTS}/prj-101", "status": 503})
    first = await rename(running, clock, "One")
    cloud.set_faults()
    second = await rename(running, clock, "Two")
    assert second.operation
    other = await rename(running, clock, "Other", "prj-102")
    assert (other.display_name, other.operation) == ("Other", "")
    await ended(running, clock, first.operation)
    found = await ended(running, clock, second.operation)
    project = projects_pb2.Project()
    assert found.response.Unpack(project)
    assert (project.display_name, project.revision) == ("Two", 3)
