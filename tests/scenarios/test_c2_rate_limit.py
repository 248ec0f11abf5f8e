"""Row C2: a hundred requests a minute, counted in a sliding window, for each caller of the
project backend; what is left is told with every answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cloud.v1 import projects_pb2, projects_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.answers import metadata, told
from scenarios.downstreams import Downstream
from scenarios.gateways import ANYBODY, as_, callers, gateway_over, sample, through_backoffs
from support.gateways import Running

Code = grpc.StatusCode

PROJECTS = "/v1/projects"
LIMIT = 100
WINDOW_S = 60
LATE_S = 1
"""A sixtieth of the window: so much late does a place come back at most."""
CONFIG = f"""
{callers(ada="", bo="")}
{ANYBODY}
connections: {{trusted_hops: 1}}
"""
POLICY = '"calls";q=100;w=60'


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(cloud: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, rng = {"cloud": cloud.url}, FakeRng([0.0])
    async with gateway_over(
        "cloud", urls, tmp_path, clock=clock, rng=rng, config=CONFIG
    ) as running:
        yield running


@pytest.fixture
def projects(running: Running) -> projects_pb2_grpc.ProjectServiceStub:
    return projects_pb2_grpc.ProjectServiceStub(running.channel)


def get(project_id: str = "prj-101") -> projects_pb2.GetProjectRequest:
    return projects_pb2.GetProjectRequest(project_id=project_id)


async def call(projects, times: int, who: tuple[tuple[str, str], ...] = ()) -> None:
    """Make calls that are answered, ten at a time."""
    while times:
        step = min(times, 10)
        await asyncio.gather(*(projects.GetProject(get(), metadata=who) for _ in range(step)))
        times -= step


async def refused(projects, who: tuple[tuple[str, str], ...] = ()) -> float:
    """Make a call that is refused, and return when to come back."""
    found = await told(projects.GetProject(get(), metadata=who))
    assert found.code == Code.RESOURCE_EXHAUSTED
    assert found.retry_delay_s is not None
    return found.retry_delay_s


async def test_the_hundred_and_first_call_in_a_minute_is_refused_and_never_sent(
    cloud: Downstream, running: Running, projects
) -> None:
    await call(projects, LIMIT)
    found = await told(projects.GetProject(get()))
    assert found.code == Code.RESOURCE_EXHAUSTED
    assert ("seawall", "RATE_LIMITED") in found.reasons
    assert (found.origin, found.attempts) == ("gateway", 0)
    assert 0 < found.retry_delay_s <= WINDOW_S + LATE_S
    assert found.user.should_retry
    assert found.user.retry_delay.seconds == int(found.retry_delay_s)
    assert found.metadata["ratelimit-policy"] == POLICY
    assert str(found.metadata["ratelimit"]).startswith('"calls";r=0;t=')
    assert cloud.stats()["total"] == LIMIT
    ops = f"http://{running.gateway.ops_address}"
    count = await asyncio.to_thread(sample, ops, "seawall_limits_exceeded_total", effect="refused")
    assert count == 1


async def test_a_refusal_names_the_quota(projects) -> None:
    await call(projects, LIMIT)
    found = await told(projects.GetProject(get()))
    ((subject, description),) = found.quota
    assert "calls" in subject
    assert description.startswith("100 calls in 60 s")


async def test_each_answer_tells_what_is_left(projects) -> None:
    said = [await metadata(projects.GetProject(get())) for _ in range(3)]
    assert [one["ratelimit-policy"] for one in said] == [POLICY] * 3
    assert [str(one["ratelimit"]).split(";")[:2] for one in said] == [
        ['"calls"', f"r={LIMIT - n}"] for n in (1, 2, 3)
    ]
    await call(projects, LIMIT - 4)
    last = await metadata(projects.GetProject(get()))
    assert str(last["ratelimit"]).split(";")[1] == "r=0"


async def test_what_is_left_is_told_with_errors_too(projects) -> None:
    missing = await told(projects.GetProject(get("prj-none")))
    assert missing.code == Code.NOT_FOUND
    assert str(missing.metadata["ratelimit"]).split(";")[1] == f"r={LIMIT - 1}"


async def test_all_methods_are_one_count(projects) -> None:
    await call(projects, LIMIT - 2)
    await projects.ListProjects(projects_pb2.ListProjectsRequest())
    project = projects_pb2.Project(display_name="Maps", region="eu-west-1")
    await projects.CreateProject(projects_pb2.CreateProjectRequest(project=project))
    for refused_call in (
        projects.ListProjects(projects_pb2.ListProjectsRequest()),
        projects.DeleteProject(projects_pb2.DeleteProjectRequest(project_id="prj-101")),
    ):
        assert (await told(refused_call)).code == Code.RESOURCE_EXHAUSTED


async def test_calls_are_let_in_as_those_before_leave_the_window(
    clock: FakeClock, projects
) -> None:
    await call(projects, 60)
    clock.advance(30)
    await call(projects, 40)
    assert await refused(projects) <= 30 + LATE_S
    clock.advance(30 + LATE_S)  # the first sixty have left, the other forty have not
    await call(projects, 60)
    await refused(projects)
    clock.advance(30)
    await call(projects, 40)
    await refused(projects)


async def test_no_minute_holds_more_than_a_hundred(clock: FakeClock, projects) -> None:
    """A window that starts anew each minute would let two hundred through around its end."""
    clock.advance(55)
    await call(projects, LIMIT)
    clock.advance(6)
    await refused(projects)


async def test_who_comes_back_when_it_is_told_to_is_let_in(clock: FakeClock, projects) -> None:
    await call(projects, LIMIT)
    clock.advance(await refused(projects))
    await call(projects, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (as_("ada"), as_("bo")),
        (as_("ada"), ()),
        ((("x-forwarded-for", "203.0.113.7"),), (("x-forwarded-for", "203.0.113.8"),)),
    ],
)
async def test_another_caller_has_a_hundred_of_its_own(projects, one, other) -> None:
    await call(projects, LIMIT, one)
    await refused(projects, one)
    await call(projects, LIMIT, other)
    await refused(projects, other)


async def test_of_many_at_once_a_hundred_pass(cloud: Downstream, projects) -> None:
    calls = [projects.GetProject(get()) for _ in range(3 * LIMIT)]
    codes = [await one.code() for one in calls]
    assert codes.count(Code.OK) == LIMIT
    assert codes.count(Code.RESOURCE_EXHAUSTED) == 2 * LIMIT
    assert cloud.stats()["total"] == LIMIT


async def test_attempts_of_the_gateways_own_are_not_counted(
    cloud: Downstream, running: Running, clock: FakeClock, projects
) -> None:
    await call(projects, LIMIT - 1)
    cloud.set_faults({"path": f"{PROJECTS}/prj-102", "status": 503, "count": 2})
    last = projects.GetProject(get("prj-102"))
    await through_backoffs(last, running, clock)
    assert (await last).project_id == "prj-102"
    assert cloud.stats()["total"] == LIMIT + 2
    await refused(projects)
