"""Row C5: ten callers of the same profile within 50 ms make one downstream call."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cloud.v1 import profiles_pb2, profiles_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.downstreams import Downstream
from scenarios.gateways import as_, callers, failure_of, gateway_over
from support.gateways import Running

PROFILE = "GET /v1/profiles/pro-1"
TEN = [f"caller{number}" for number in range(10)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(cloud: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    config, rng = callers(**dict.fromkeys(TEN, "")), FakeRng([0.0])
    async with gateway_over(
        "cloud", {"cloud": cloud.url}, tmp_path, clock=clock, rng=rng, config=config
    ) as running:
        yield running


def profile(running: Running, who: str, profile_id: str = "pro-1"):
    request = profiles_pb2.GetProfileRequest(profile_id=profile_id)
    stub = profiles_pb2_grpc.ProfileServiceStub(running.channel)
    return stub.GetProfile(request, metadata=as_(who))


async def test_ten_callers_at_once_make_one_call(running: Running, cloud: Downstream) -> None:
    cloud.set_faults({"path": "/v1/profiles", "latency_s": 0.1})
    found = await asyncio.gather(*(profile(running, who) for who in TEN))
    assert {one.display_name for one in found} == {"Ana"}
    assert cloud.seen(PROFILE) == 1


async def test_within_50_ms_of_the_first_they_share_its_answer(
    running: Running, cloud: Downstream, clock: FakeClock
) -> None:
    for who in TEN:
        await profile(running, who)
        clock.advance(0.005)
    assert cloud.seen(PROFILE) == 1
    clock.advance(0.001)
    await profile(running, TEN[0])
    assert cloud.seen(PROFILE) == 2


async def test_another_profile_is_another_call(running: Running, cloud: Downstream) -> None:
    await asyncio.gather(*(profile(running, TEN[0], f"pro-{n}") for n in (1, 2, 1, 2)))
    assert (cloud.seen(PROFILE), cloud.seen("GET /v1/profiles/pro-2")) == (1, 1)


async def test_a_failure_is_everybodys_and_is_not_kept(
    running: Running, cloud: Downstream, clock: FakeClock
) -> None:
    cloud.set_faults({"path": "/v1/profiles", "status": 403, "latency_s": 0.1, "count": 1})
    found = await asyncio.gather(*(failure_of(profile(running, who)) for who in TEN))
    assert {failure.code for failure in found} == {grpc.StatusCode.PERMISSION_DENIED}
    clock.advance(0.051)
    assert (await profile(running, TEN[0])).display_name == "Ana"
    assert cloud.seen(PROFILE) == 2
