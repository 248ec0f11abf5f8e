"""Row B1: a second click within a minute sends nothing: it is told that the first is in progress,
or was made, and when to come back. Other users and other campaigns are independent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from commerce.v1 import campaigns_pb2, campaigns_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.downstreams import Downstream
from scenarios.gateways import as_, callers, descriptors, failure_of, gateway_over
from support.gateways import Running, seawall_process

from gateway.core.events import CallRefused

ALONE = f"serve: [commerce.v1.EmailCampaignService]\n{callers(ada='', bob='')}"
SENDS = "POST /campaigns/{}/sends"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(commerce: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, rng = {"shop": commerce.url}, FakeRng([0.0])
    async with gateway_over(
        "commerce", urls, tmp_path, clock=clock, rng=rng, config=ALONE
    ) as running:
        yield running


def send(channel: grpc.aio.Channel, campaign: str = "spring", who: str = "ada"):
    request = campaigns_pb2.SendCampaignRequest(campaign_id=campaign)
    return campaigns_pb2_grpc.EmailCampaignServiceStub(channel).Send(request, metadata=as_(who))


async def told(call) -> tuple[str, float]:
    """Return the reason that a call is told, "" where it was made, and the delay."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        failure = error
    else:
        return "", 0.0

    async def again() -> None:
        raise failure

    found = await failure_of(again())
    return found.reason, found.retry_delay_s or 0.0


@pytest.mark.parametrize("clicks", [20, 1000])
async def test_of_many_clicks_at_once_one_sends(
    clicks: int, running: Running, commerce: Downstream
) -> None:
    commerce.set_faults({"path": "/campaigns", "latency_s": 3.0})
    found = await asyncio.gather(*(told(send(running.channel)) for _ in range(clicks)))
    reasons = Counter(reason for reason, _ in found)
    assert reasons == {"": 1, "IN_PROGRESS": clicks - 1}
    assert all(delay > 0 for reason, delay in found if reason)
    assert commerce.seen(SENDS.format("spring")) == 1
    refused = [e for e in running.of(CallRefused) if e.mechanism == "deduplicate"]
    assert len(refused) == clicks - 1


async def test_within_the_minute_it_is_told_and_then_allowed_again(
    running: Running, commerce: Downstream, clock: FakeClock
) -> None:
    assert (await send(running.channel)).send_id == "snd-1"
    clock.advance(20)
    reason, delay_s = await told(send(running.channel))
    assert reason == "DUPLICATE"
    assert delay_s == pytest.approx(40, abs=1)
    assert [e.mechanism for e in running.of(CallRefused)] == ["deduplicate"]
    clock.advance(41)
    assert (await send(running.channel)).send_id == "snd-2"
    assert commerce.seen(SENDS.format("spring")) == 2


async def test_another_user_and_another_campaign_are_independent(
    running: Running, commerce: Downstream
) -> None:
    await asyncio.gather(
        send(running.channel),
        send(running.channel, who="bob"),
        send(running.channel, "summer"),
    )
    assert commerce.seen(SENDS.format("spring")) == 2
    assert commerce.seen(SENDS.format("summer")) == 1


@pytest.mark.parametrize("clicks", [20, 1000])
async def test_of_clicks_by_way_of_two_gateways_one_sends(
    clicks: int, commerce: Downstream, tmp_path: Path
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(
        f"descriptor_set: {descriptors('commerce')}\n"
        f"state: {{durable: 'sqlite:///{tmp_path}/seawall.db'}}\n{ALONE}\n"
    )
    commerce.set_faults({"path": "/campaigns", "latency_s": 0.3})
    given = ("--config", str(config), f"--upstream=shop={commerce.url}")
    async with AsyncExitStack() as stack:
        channels = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            seawall = stack.enter_context(seawall_process(*given, tmp_path=tmp_path / name))
            channel = grpc.aio.insecure_channel(seawall.address)
            channels.append(await stack.enter_async_context(channel))
        found = await asyncio.gather(*(told(send(channels[n % 2])) for n in range(clicks)))
    reasons = Counter(reason for reason, _ in found)
    assert reasons.pop("") == 1
    assert set(reasons) <= {"IN_PROGRESS", "DUPLICATE"}
    assert commerce.seen(SENDS.format("spring")) == 1
