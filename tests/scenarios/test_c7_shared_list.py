"""Row C7: the list of projects is fresh for a minute and kept for five, refetched when it is
stale, and one for all callers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloud.v1 import projects_pb2, projects_pb2_grpc
from fakes.clock import FakeClock
from scenarios.answers import metadata
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import ANYBODY, as_, callers, gateway_over, samples
from support.gateways import Running

PROJECTS = "/v1/projects"
LIST = f"GET {PROJECTS}"
CONFIG = f"{callers(ada='', bo='')}\n{ANYBODY}\n"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(cloud: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    async with gateway_over(
        "cloud", {"cloud": cloud.url}, tmp_path, clock=clock, config=CONFIG
    ) as running:
        yield running


@pytest.fixture
def projects(running: Running) -> projects_pb2_grpc.ProjectServiceStub:
    return projects_pb2_grpc.ProjectServiceStub(running.channel)


async def listed(projects, who: str = "ada", **request: object) -> tuple[str, int]:
    """List; return whether the answer was kept, and its age in seconds."""
    call = projects.ListProjects(projects_pb2.ListProjectsRequest(**request), metadata=as_(who))
    behind = await metadata(call)
    return str(behind["seawall-cache"]), int(behind["age"])


async def test_it_is_fresh_for_a_minute_and_one_for_all_callers(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    assert await listed(projects, "ada") == ("fresh", 0)
    clock.advance(59)
    assert await listed(projects, "bo") == ("cached", 59)
    assert cloud.seen(LIST) == 1
    assert await listed(projects, "bo", region="eu-west-1") == ("fresh", 0)


async def test_stale_it_is_served_at_once_and_refetched_by_one(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    await listed(projects)
    clock.advance(61)
    cloud.set_faults({"path": PROJECTS, "latency_s": 0.3, "count": 1})
    found = await asyncio.gather(*(listed(projects, who) for who in ("ada", "bo") * 10))
    assert found == [("stale", 61)] * 20
    await eventually(lambda: cloud.seen(LIST) == 2 and cloud.idle)
    state, age = "stale", 61
    while state == "stale":
        state, age = await listed(projects)
    assert (state, age) == ("cached", 0)
    assert cloud.seen(LIST) == 2


async def test_after_five_minutes_it_is_asked_for_and_waited_for(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    await listed(projects)
    clock.advance(301)
    assert await listed(projects) == ("fresh", 0)
    assert cloud.seen(LIST) == 2


async def test_a_backend_that_is_down_is_not_seen_for_five_minutes(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    await listed(projects)
    cloud.set_faults({"path": PROJECTS, "status": 503})
    clock.advance(290)
    assert await listed(projects) == ("stale", 290)
    await eventually(lambda: cloud.seen(LIST) == 2 and cloud.idle)
    clock.advance(9)
    assert await listed(projects) == ("stale", 299)


async def test_whoever_writes_reads_it_anew(cloud: Downstream, projects) -> None:
    await listed(projects)
    project = projects_pb2.Project(display_name="Maps", region="eu-west-1")
    made = await projects.CreateProject(projects_pb2.CreateProjectRequest(project=project))
    assert await listed(projects) == ("fresh", 0)
    gone = projects_pb2.DeleteProjectRequest(project_id=made.project_id)
    await projects.DeleteProject(gone)
    assert await listed(projects) == ("fresh", 0)
    assert cloud.seen(LIST) == 3


async def test_operators_see_how_much_was_kept(running: Running, projects) -> None:
    for _ in range(4):
        await listed(projects)
    url = f"http://{running.gateway.ops_address}"
    found = await asyncio.to_thread(samples, url, "seawall_cache_answers_total")
    assert {dict(at)["state"]: count for at, count in found.items()} == {"fresh": 1, "cached": 3}
