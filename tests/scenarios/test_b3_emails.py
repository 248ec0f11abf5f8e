"""Row B3: an e-mail that cannot be sent is sent again every five minutes, three times in all; then
it is a dead letter, and operators are told. A restart in between loses none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import pytest
from commerce.v1 import emails_pb2, emails_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from google.longrunning import operations_pb2
from google.rpc import code_pb2
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import descriptors, gateway_over, lines, sample
from scenarios.operations import durable, ended, get, metadata_of, passing
from seawall.operations.v1.operations_pb2 import OperationMetadata
from support.gateways import Running, seawall_process

from gateway.core.events import OperationAttempted

EMAILS = "/emails"
SEND = f"POST {EMAILS}"
ALONE = "serve: [commerce.v1.EmailService]"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def serving(
    commerce: Downstream, clock: FakeClock, tmp_path: Path
) -> AbstractAsyncContextManager[Running]:
    urls = {"mailer": commerce.url}
    config = f"{ALONE}\n{durable(tmp_path)}"
    return gateway_over("commerce", urls, tmp_path, clock=clock, rng=FakeRng([0.5]), config=config)


@pytest.fixture
async def running(commerce: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(commerce, clock, tmp_path) as one:
        yield one


async def send(channel: grpc.aio.Channel, subject: str = "Your order") -> operations_pb2.Operation:
    request = emails_pb2.SendRequest(to="ann@example.com", subject=subject, text="Thank you.")
    return await emails_pb2_grpc.EmailServiceStub(channel).Send(request)


def sent(commerce: Downstream) -> list[str]:
    emails = commerce.ask("GET", "/_demo/emails")[1]["emails"]
    return [email["subject"] for email in emails]


async def test_it_is_accepted_at_once_and_sent(
    running: Running, clock: FakeClock, commerce: Downstream
) -> None:
    begun = await send(running.channel)
    found = await ended(running, clock, begun.name, 0.0)
    email = emails_pb2.SentEmail()
    assert found.response.Unpack(email)
    assert email.email_id == "eml-1"
    assert sent(commerce) == ["Your order"]


async def test_it_is_sent_again_every_five_minutes(
    running: Running, clock: FakeClock, commerce: Downstream
) -> None:
    commerce.set_faults({"path": EMAILS, "status": 500, "count": 2})
    begun = await send(running.channel)
    await eventually(lambda: len(running.of(OperationAttempted)) == 1)
    for attempt in (1, 2):
        assert metadata_of(await get(running.channel, begun.name)).attempts == attempt
        clock.advance(298)
        await asyncio.sleep(0.2)
        assert commerce.seen(SEND) == attempt
        await passing(clock, lambda n=attempt: len(running.of(OperationAttempted)) == n + 1, 0.5)
    assert (await get(running.channel, begun.name)).done
    assert [event.next_in_s for event in running.of(OperationAttempted)] == [300, 300, None]
    assert sent(commerce) == ["Your order"]


async def test_after_three_attempts_it_is_a_dead_letter_and_operators_are_told(
    running: Running, clock: FakeClock, commerce: Downstream
) -> None:
    commerce.set_faults({"path": EMAILS, "status": 500})
    begun = await send(running.channel)
    found = await ended(running, clock, begun.name, 4)  # within a lease
    assert found.error.code == code_pb2.INTERNAL
    assert "tried 3 times" in found.error.message
    told = metadata_of(found)
    assert (told.state, told.attempts) == (OperationMetadata.DEAD, 3)
    assert commerce.seen(SEND) == 3
    assert sent(commerce) == []
    ops = f"http://{running.gateway.ops_address}"
    dead = await asyncio.to_thread(
        sample, ops, "seawall_operations_ended_total", method="Send", state="dead"
    )
    assert dead == 1


async def test_a_restart_in_between_loses_none(
    commerce: Downstream, clock: FakeClock, tmp_path: Path
) -> None:
    commerce.set_faults({"path": EMAILS, "status": 503})
    async with serving(commerce, clock, tmp_path) as running:
        names = [(await send(running.channel, f"Order {n}")).name for n in range(10)]
        await eventually(lambda: len(running.of(OperationAttempted)) == 10)
    commerce.set_faults()
    async with serving(commerce, clock, tmp_path) as running:
        for name in names:
            assert (await ended(running, clock, name, 10)).HasField("response")
    assert sorted(sent(commerce)) == [f"Order {n}" for n in range(10)]


async def test_a_dead_letter_has_a_line_that_wakes_people(
    commerce: Downstream, tmp_path: Path
) -> None:
    config = tmp_path / "seawall.yaml"
    quick = "{operation: {initial_delay: 0.05s}}"
    shorter = f"services: {{commerce.v1.EmailService: {{methods: {{Send: {quick}}}}}}}"
    config.write_text(
        f"descriptor_set: {descriptors('commerce')}\n{durable(tmp_path)}\n{shorter}\n{ALONE}\n"
    )
    commerce.set_faults({"path": EMAILS, "status": 500})
    arguments = ("--config", str(config), f"--upstream=mailer={commerce.url}")
    with seawall_process(*arguments, "--log-format=json", tmp_path=tmp_path) as seawall:
        async with grpc.aio.insecure_channel(seawall.address) as channel:
            begun = await send(channel)
            while not (await get(channel, begun.name)).done:
                await asyncio.sleep(0.05)
    (line,) = lines(seawall.log, "operation")
    assert (line["level"], line["state"], line["attempts"]) == ("error", "dead", 3)
