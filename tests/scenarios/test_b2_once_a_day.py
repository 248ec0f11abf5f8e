"""Row B2, its other half: an event is delivered once in a day, however often its sender sends it,
and whatever is started anew meanwhile; what was not delivered is not lost."""

import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from commerce.v1 import webhooks_pb2, webhooks_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.answers import metadata, told
from scenarios.downstreams import Downstream
from scenarios.gateways import descriptors, gateway_over, through_backoffs
from scenarios.shop import PAYMENTS, config, event, request, stripe
from support.gateways import Running, seawall_process

DELIVERED = f"POST {PAYMENTS}"
HOUR_S = 3600.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def serving(
    commerce: Downstream, clock: FakeClock, folder: Path
) -> AbstractAsyncContextManager[Running]:
    urls, rng = {"shop": commerce.url}, FakeRng([0.5])
    return gateway_over("commerce", urls, folder, clock=clock, rng=rng, config=config(folder))


@pytest.fixture
async def running(commerce: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(commerce, clock, tmp_path) as one:
        yield one


def deliver(running: Running, clock: FakeClock, body: bytes) -> Any:
    """Send an event, signed now."""
    webhooks = webhooks_pb2_grpc.WebhookServiceStub(running.channel)
    return webhooks.Deliver(request(body), metadata=stripe(body, clock.wall()))


def taken(commerce: Downstream) -> list[str]:
    events: list[str] = commerce.ask("GET", "/_demo/events")[1]["events"]
    return events


async def test_an_event_that_is_sent_again_is_answered_and_not_delivered_again(
    running: Running, commerce: Downstream, clock: FakeClock
) -> None:
    first = await deliver(running, clock, event())
    for _ in range(3):
        clock.advance(HOUR_S)
        again = deliver(running, clock, event(attempt=2))
        answer: webhooks_pb2.DeliverResponse = await again
        assert answer == first
        assert (await metadata(again))["idempotency-replayed"] == "true"
    assert commerce.seen(DELIVERED) == 1
    await deliver(running, clock, event("evt_2"))
    assert commerce.seen(DELIVERED) == 2


async def test_it_is_known_across_a_restart(
    commerce: Downstream, clock: FakeClock, tmp_path: Path
) -> None:
    async with serving(commerce, clock, tmp_path) as running:
        await deliver(running, clock, event())
    clock.advance(HOUR_S)
    async with serving(commerce, clock, tmp_path) as running:
        await deliver(running, clock, event())
    assert commerce.seen(DELIVERED) == 1


async def test_it_is_known_to_a_gateway_that_takes_the_place_of_a_killed_one(
    commerce: Downstream, tmp_path: Path
) -> None:
    settings = tmp_path / "seawall.yaml"
    settings.write_text(f"descriptor_set: {descriptors('commerce')}\n{config(tmp_path)}")
    arguments = ("--config", str(settings), f"--upstream=shop={commerce.url}")
    answers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with seawall_process(
            *arguments, f"--upstream=mailer={commerce.url}", tmp_path=tmp_path / name
        ) as gateway:
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                webhooks = webhooks_pb2_grpc.WebhookServiceStub(channel)
                signed = stripe(event(), time.time())
                call = webhooks.Deliver(request(event()), metadata=signed, timeout=20)
                answers.append(await call)
                assert ("idempotency-replayed" in await metadata(call)) is (name == "two")
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait()
    assert answers[0] == answers[1]
    assert commerce.seen(DELIVERED) == 1


async def test_after_a_day_it_is_a_new_one(
    running: Running, commerce: Downstream, clock: FakeClock
) -> None:
    await deliver(running, clock, event())
    clock.advance(24 * HOUR_S - 10)
    await deliver(running, clock, event())
    assert commerce.seen(DELIVERED) == 1
    clock.advance(20)
    await deliver(running, clock, event())
    assert commerce.seen(DELIVERED) == 2


@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 500, "acts": True}, {"drop": True, "acts": True}],
    ids=["500", "500-after-it-acted", "lost-answer"],
)
async def test_what_failed_is_delivered_when_its_sender_comes_again(
    fault: dict[str, object], running: Running, commerce: Downstream, clock: FakeClock
) -> None:
    commerce.set_faults({"path": PAYMENTS, "count": 3, **fault})
    call = deliver(running, clock, event())
    await through_backoffs(call, running, clock)
    assert (await told(call)).code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
    commerce.set_faults()
    clock.advance(HOUR_S)
    assert (await deliver(running, clock, event())).event_id == "evt_1"
    assert taken(commerce) == ["evt_1"]
    keys = {one.headers["idempotency-key"] for one in commerce.received()}
    assert keys == {"evt_1"}
