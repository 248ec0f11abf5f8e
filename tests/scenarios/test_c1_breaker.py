"""Row C1: the breaker of the project backend opens after 5 failures in a row, lets calls
through again after 60 s, and closes after 2 successes."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cloud.v1 import projects_pb2, projects_pb2_grpc
from fakes.clock import FakeClock
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import State, breaker, failure_of, gateway_over, through_backoffs
from support.gateways import Running

from gateway.core.events import BreakerChanged

Code = grpc.StatusCode

PROJECTS = "/v1/projects"
ONE = f"{PROJECTS}/prj-101"
CREATE = f"POST {PROJECTS}"
THRESHOLD = 5
OPEN_S = 60


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
    """A request of which each call makes exactly one attempt: creating is not idempotent."""
    return projects_pb2.CreateProjectRequest(
        project=projects_pb2.Project(display_name="Maps", region="eu-west-1")
    )


async def fail(cloud: Downstream, projects, times: int, status: int = 500) -> None:
    cloud.set_faults({"verb": "POST", "status": status})
    for _ in range(times):
        failure = await failure_of(projects.CreateProject(new_project()))
        assert (failure.origin, failure.http_status, failure.attempts) == ("upstream", status, 1)


def changes(running: Running) -> list[tuple[str, str]]:
    return [(event.before, event.after) for event in running.of(BreakerChanged)]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_it_opens_after_five_failures_in_a_row(
    cloud: Downstream, running: Running, projects, status: int
) -> None:
    await fail(cloud, projects, THRESHOLD - 1, status)
    state = await breaker(running.channel, "cloud")
    assert (state.state, state.consecutive_failures) == (State.STATE_CLOSED, THRESHOLD - 1)
    await fail(cloud, projects, 1, status)
    state = await breaker(running.channel, "cloud")
    assert state.state == State.STATE_OPEN
    assert state.opens_for.seconds == OPEN_S
    assert changes(running) == [("closed", "open")]


async def test_while_it_is_open_calls_fail_at_once_and_the_backend_sees_none(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    await fail(cloud, projects, THRESHOLD)
    before = cloud.stats()["total"]
    clock.advance(OPEN_S - 1)
    for call in (projects.GetProject(get()), projects.CreateProject(new_project())):
        failure = await failure_of(call)  # nobody moves time: it waits for nothing
        assert (failure.code, failure.reason) == (Code.UNAVAILABLE, "BREAKER_OPEN")
        assert (failure.origin, failure.attempts) == ("gateway", 0)
        assert failure.should_retry
        assert failure.retry_delay_s == pytest.approx(1.0)
    assert cloud.stats()["total"] == before


async def test_a_read_counts_once_for_each_of_its_attempts(
    cloud: Downstream, running: Running, clock: FakeClock, projects
) -> None:
    cloud.set_faults({"path": ONE, "status": 503})
    first = projects.GetProject(get())
    assert await through_backoffs(first, running, clock) == [1.0, 2.0, 4.0]
    assert (await failure_of(first)).attempts == 4
    assert (await breaker(running.channel, "cloud")).consecutive_failures == 4
    second = projects.GetProject(get())
    await through_backoffs(second, running, clock)
    failure = await failure_of(second)
    assert failure.attempts == 1
    assert cloud.seen(f"GET {ONE}") == THRESHOLD
    assert (await breaker(running.channel, "cloud")).state == State.STATE_OPEN


async def test_a_success_between_begins_the_count_anew(
    cloud: Downstream, running: Running, projects
) -> None:
    for _ in range(2):
        await fail(cloud, projects, THRESHOLD - 1)
        await projects.GetProject(get())
    assert changes(running) == []
    assert cloud.seen(CREATE) == 2 * (THRESHOLD - 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429])
async def test_a_4xx_is_neither_a_failure_nor_a_success(
    cloud: Downstream, running: Running, projects, status: int
) -> None:
    await fail(cloud, projects, THRESHOLD - 1)
    await fail(cloud, projects, 3, status)
    assert changes(running) == []
    await fail(cloud, projects, 1)
    assert changes(running) == [("closed", "open")]


async def test_after_60_seconds_two_successes_close_it(
    cloud: Downstream, running: Running, clock: FakeClock, projects
) -> None:
    await fail(cloud, projects, THRESHOLD)
    cloud.set_faults()
    clock.advance(OPEN_S - 0.01)
    assert (await failure_of(projects.GetProject(get()))).reason == "BREAKER_OPEN"
    clock.advance(0.01)
    assert (await projects.GetProject(get())).project_id == "prj-101"
    assert (await breaker(running.channel, "cloud")).state == State.STATE_HALF_OPEN
    assert (await projects.GetProject(get())).project_id == "prj-101"
    assert (await breaker(running.channel, "cloud")).state == State.STATE_CLOSED
    assert changes(running) == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


async def test_a_failure_while_half_open_opens_it_for_another_60_seconds(
    cloud: Downstream, running: Running, clock: FakeClock, projects
) -> None:
    await fail(cloud, projects, THRESHOLD)
    clock.advance(OPEN_S)
    await projects.GetProject(get())  # one success is not enough
    await fail(cloud, projects, 1)
    clock.advance(OPEN_S - 1)
    before = cloud.stats()["total"]
    failure = await failure_of(projects.GetProject(get()))
    assert (failure.reason, failure.retry_delay_s) == ("BREAKER_OPEN", pytest.approx(1.0))
    assert cloud.stats()["total"] == before
    clock.advance(1)
    await projects.GetProject(get())


async def test_a_half_open_breaker_lets_two_calls_through_and_not_a_flood(
    cloud: Downstream, clock: FakeClock, projects
) -> None:
    await fail(cloud, projects, THRESHOLD)
    cloud.set_faults({"path": ONE, "latency_s": 60})
    clock.advance(OPEN_S)
    before = cloud.seen(f"GET {ONE}")
    calls = [projects.GetProject(get()) for _ in range(20)]
    await eventually(lambda: sum(call.done() for call in calls) == 18)
    await eventually(lambda: cloud.stats()["concurrency"]["current"] == 2)
    assert cloud.seen(f"GET {ONE}") - before == 2
    for call in calls:
        call.cancel()


async def test_a_caller_that_leaves_says_nothing_about_the_backend(
    cloud: Downstream, running: Running, projects
) -> None:
    await fail(cloud, projects, THRESHOLD - 1)
    for _ in range(2):
        call = projects.GetProject(get("prj-slow"))
        await eventually(lambda: not cloud.idle)
        call.cancel()
        await eventually(lambda: cloud.idle)
    state = await breaker(running.channel, "cloud")
    assert (state.state, state.consecutive_failures) == (State.STATE_CLOSED, THRESHOLD - 1)
