"""Row C4: backoff 1 s, 2 s, 4 s … at most 30 s, three retries on 5xx and none on 4xx; 30 s
by default, or what the call asks for."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cloud.v1 import projects_pb2, projects_pb2_grpc
from fakes.clock import FakeClock
from google.protobuf.field_mask_pb2 import FieldMask
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import failure_of, gateway_over, through_backoffs
from seawall_client.failure import read_failure
from support.gateways import Running

from gateway.core.events import RetryScheduled

Code = grpc.StatusCode
Project = projects_pb2.Project

PROJECTS = "/v1/projects"
ONE = f"{PROJECTS}/prj-101"
BACKOFFS = [1.0, 2.0, 4.0]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(cloud: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    async with gateway_over("cloud", {"cloud": cloud.url}, tmp_path, clock=clock) as running:
        yield running


@pytest.fixture
def projects(running: Running) -> projects_pb2_grpc.ProjectServiceStub:
    return projects_pb2_grpc.ProjectServiceStub(running.channel)


def get(project_id: str = "prj-101") -> projects_pb2.GetProjectRequest:
    return projects_pb2.GetProjectRequest(project_id=project_id)


def new_project() -> projects_pb2.CreateProjectRequest:
    return projects_pb2.CreateProjectRequest(
        project=Project(display_name="Maps", region="eu-west-1", owner="ana")
    )


def rename() -> projects_pb2.UpdateProjectRequest:
    return projects_pb2.UpdateProjectRequest(
        project=Project(project_id="prj-101", display_name="Atlas"),
        update_mask=FieldMask(paths=["display_name"]),
    )


# What the service does


async def test_a_project_is_created_read_changed_listed_and_deleted(
    cloud: Downstream, projects
) -> None:
    created = await projects.CreateProject(new_project())
    assert (created.project_id, created.revision) == ("prj-501", 1)
    assert created.create_time.seconds > 1_700_000_000
    assert await projects.GetProject(get("prj-501")) == created
    changed = await projects.UpdateProject(
        projects_pb2.UpdateProjectRequest(
            project=Project(project_id="prj-501", display_name="Atlas"),
            update_mask=FieldMask(paths=["display_name", "owner"]),
        )
    )
    assert (changed.display_name, changed.owner, changed.revision) == ("Atlas", "", 2)
    found, token = [], ""
    while True:
        page = await projects.ListProjects(projects_pb2.ListProjectsRequest(page_token=token))
        found += [project.project_id for project in page.projects]
        if not (token := page.next_page_token):
            break
    assert found[0] == "prj-101"
    assert found[-1] == "prj-501"
    assert len(found) == len(set(found)) == 34
    await projects.DeleteProject(projects_pb2.DeleteProjectRequest(project_id="prj-501"))
    assert (await failure_of(projects.GetProject(get("prj-501")))).code == Code.NOT_FOUND


# Which answers are retried, and when


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504])
async def test_a_5xx_is_retried_three_times_after_1_2_and_4_seconds(
    cloud: Downstream, running: Running, clock: FakeClock, projects, status: int
) -> None:
    cloud.set_faults({"path": ONE, "status": status})
    call = projects.GetProject(get())
    assert await through_backoffs(call, running, clock) == BACKOFFS
    failure = await failure_of(call)
    assert (failure.http_status, failure.attempts) == (status, 4)
    assert cloud.seen(f"GET {ONE}") == 4


async def test_nothing_is_sent_before_a_backoff_is_over(
    cloud: Downstream, clock: FakeClock, running: Running, projects
) -> None:
    cloud.set_faults({"path": ONE, "status": 503, "count": 1})
    call = projects.GetProject(get())
    await eventually(lambda: running.of(RetryScheduled) != [])
    clock.advance(0.99)
    await projects.GetProject(get("prj-102"))  # whatever became due has happened by now
    assert cloud.seen(f"GET {ONE}") == 1
    clock.advance(0.01)
    assert (await call).project_id == "prj-101"
    assert cloud.seen(f"GET {ONE}") == 2


async def test_a_read_that_fails_three_times_succeeds(
    cloud: Downstream, running: Running, clock: FakeClock, projects
) -> None:
    call = projects.GetProject(get("prj-flaky"))
    assert await through_backoffs(call, running, clock) == BACKOFFS
    assert (await call).project_id == "prj-flaky"
    assert cloud.stats()["statuses"] == {"503": 3, "200": 1}


async def test_a_backend_that_hangs_up_is_retried_alike(
    cloud: Downstream, running: Running, clock: FakeClock, projects
) -> None:
    cloud.set_faults({"path": ONE, "drop": True, "count": 3})
    call = projects.UpdateProject(rename())
    assert await through_backoffs(call, running, clock) == BACKOFFS
    assert (await call).display_name == "Atlas"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.INVALID_ARGUMENT),
        (401, Code.UNAUTHENTICATED),
        (403, Code.PERMISSION_DENIED),
        (404, Code.NOT_FOUND),
        (408, Code.UNAVAILABLE),
        (409, Code.ABORTED),
        (429, Code.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_4xx_is_never_retried(
    cloud: Downstream, running: Running, projects, status: int, code: Code
) -> None:
    cloud.set_faults({"path": ONE, "status": status})
    failure = await failure_of(projects.GetProject(get()))
    assert (failure.code, failure.http_status, failure.attempts) == (code, status, 1)
    assert cloud.seen(f"GET {ONE}") == 1
    assert running.of(RetryScheduled) == []


async def test_a_429_that_says_when_is_not_retried_either(cloud: Downstream, projects) -> None:
    cloud.set_faults({"path": ONE, "status": 429, "retry_after_s": 1})
    failure = await failure_of(projects.GetProject(get()))
    assert (failure.attempts, failure.retry_delay_s) == (1, 1)
    assert cloud.seen(f"GET {ONE}") == 1


async def test_a_project_that_may_have_been_created_is_not_created_again(
    cloud: Downstream, projects
) -> None:
    cloud.set_faults({"verb": "POST", "status": 503, "acts": True})
    failure = await failure_of(projects.CreateProject(new_project()))
    assert (failure.code, failure.attempts) == (Code.UNAVAILABLE, 1)
    assert cloud.seen(f"POST {PROJECTS}") == 1


async def test_no_backoff_is_longer_than_30_seconds(
    cloud: Downstream, clock: FakeClock, tmp_path: Path
) -> None:
    config = """
upstreams:
  cloud:
    policy: {breaker: {disabled: true}}
    methods: {retry: {max_attempts: 8}}
services:
  cloud.v1.ProjectService:
    policy: {retry: {max_attempts: 8}}
"""
    urls = {"cloud": cloud.url}
    cloud.set_faults({"path": ONE, "status": 503})
    async with gateway_over("cloud", urls, tmp_path, clock=clock, config=config) as running:
        projects = projects_pb2_grpc.ProjectServiceStub(running.channel)
        call = projects.GetProject(get(), timeout=290)
        backoffs = await through_backoffs(call, running, clock)
        assert (await failure_of(call)).attempts == 8
    assert backoffs == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


# How long a call may take


async def ended_by_its_deadline(
    cloud: Downstream, clock: FakeClock, projects, call: grpc.aio.Call, within_s: float
) -> None:
    """Expect `call`, which hangs, to go on until shortly before `within_s` and no longer."""
    await eventually(lambda: not cloud.idle)
    clock.advance(within_s * 0.94)
    await projects.GetProject(get("prj-102"), timeout=5)  # whatever became due has happened
    assert not call.done()
    clock.advance(within_s * 0.06)
    failure = await failure_of(call)
    assert (failure.code, failure.reason) == (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert failure.attempts == 1
    await eventually(lambda: cloud.idle)
    assert cloud.stats()["clients_gone"] == 1


async def test_a_call_that_asks_for_nothing_ends_after_30_seconds(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    call = projects.GetProject(get("prj-slow"))
    await ended_by_its_deadline(cloud, clock, projects, call, 30)


@pytest.mark.parametrize("timeout_s", [20, 120])
async def test_a_call_can_ask_for_less_and_for_more(
    cloud: Downstream, clock: FakeClock, projects, timeout_s: int
) -> None:
    call = projects.GetProject(get("prj-slow"), timeout=timeout_s)
    await ended_by_its_deadline(cloud, clock, projects, call, timeout_s)


async def test_a_retry_that_would_come_too_late_is_not_waited_for(
    cloud: Downstream, clock: FakeClock, running: Running, projects
) -> None:
    cloud.set_faults({"path": ONE, "status": 503})
    call = projects.GetProject(get(), timeout=6)
    assert await through_backoffs(call, running, clock) == [1.0, 2.0]
    with pytest.raises(grpc.RpcError) as caught:
        await call
    failure = read_failure(caught.value)
    assert (failure.code, failure.attempts) == (Code.UNAVAILABLE, 3)
    assert cloud.seen(f"GET {ONE}") == 3
