"""Row A6: a chain load, reply, close survives a flaky network without a half-done update; resolving
is one durable operation of ordered steps, which goes on after a kill where it stood."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from google.longrunning import operations_pb2
from panel.v1 import tickets_pb2, tickets_pb2_grpc
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, eventually
from scenarios.gateways import ANYBODY, callers, descriptors, gateway_over
from scenarios.operations import durable, ended, metadata_of, wait
from support.gateways import Running, seawall_process

TICKETS = "/.netlify/functions/tickets"
REPLY = f"POST {TICKETS}/tic-1/replies"
CLOSE = f"POST {TICKETS}/tic-1/close"
CLOSED = tickets_pb2.Ticket.CLOSED


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    functions: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = dict.fromkeys(PANEL_UPSTREAMS, functions.url)
    rng, config = FakeRng([0.0]), durable(tmp_path)
    async with gateway_over("panel", urls, tmp_path, clock=clock, rng=rng, config=config) as one:
        yield one


def tickets(channel: grpc.aio.Channel) -> tickets_pb2_grpc.TicketServiceStub:
    return tickets_pb2_grpc.TicketServiceStub(channel)


async def resolve(channel: grpc.aio.Channel, text: str = "On its way.") -> operations_pb2.Operation:
    request = tickets_pb2.ResolveTicketRequest(ticket_id="tic-1", text=text)
    return await tickets(channel).ResolveTicket(request)


def ticket_of(operation: operations_pb2.Operation) -> tickets_pb2.Ticket:
    ticket = tickets_pb2.Ticket()
    assert operation.response.Unpack(ticket), operation
    return ticket


def shown(ticket: tickets_pb2.Ticket) -> tuple[int, list[str]]:
    return ticket.state, [reply.text for reply in ticket.replies]


async def test_reply_and_close_are_one_operation(running: Running, clock: FakeClock) -> None:
    loaded = await tickets(running.channel).GetTicket(
        tickets_pb2.GetTicketRequest(ticket_id="tic-1")
    )
    assert shown(loaded) == (tickets_pb2.Ticket.OPEN, [])
    found = await ended(running, clock, (await resolve(running.channel)).name)
    assert shown(ticket_of(found)) == (CLOSED, ["On its way."])
    assert list(metadata_of(found).steps_done) == ["reply", "close"]


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"drop": True}, {"drop": True, "acts": True}, {"status": 500, "acts": True}],
    ids=["503", "dropped", "lost-answer", "500-after-it-acted"],
)
async def test_a_flaky_network_leaves_no_half_done_update(
    fault: dict[str, object], running: Running, functions: Downstream, clock: FakeClock
) -> None:
    functions.set_faults({"verb": "POST", "path": TICKETS, "count": 2, "of": 3, **fault})
    found = await ended(running, clock, (await resolve(running.channel)).name)
    assert shown(ticket_of(found)) == (CLOSED, ["On its way."])


async def test_what_is_refused_for_good_closes_nothing(
    running: Running, functions: Downstream, clock: FakeClock
) -> None:
    found = await ended(running, clock, (await resolve(running.channel, "")).name)
    assert found.HasField("error")
    assert functions.seen(CLOSE) == 0


async def test_it_goes_on_where_it_stood_when_the_gateway_is_killed(
    functions: Downstream, tmp_path: Path
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(
        f"descriptor_set: {descriptors('panel')}\n{durable(tmp_path)}\n"
        f"{callers(root='admin')}\n{ANYBODY}\n"
    )
    upstreams = (f"--upstream={name}={functions.url}" for name in PANEL_UPSTREAMS)
    arguments = ("--config", str(config), *upstreams)
    functions.set_faults({"path": f"{TICKETS}/tic-1/close", "latency_s": 2.0, "count": 1})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with seawall_process(*arguments, tmp_path=tmp_path / "one") as seawall:
        async with grpc.aio.insecure_channel(seawall.address) as channel:
            begun = await resolve(channel)
            await eventually(lambda: functions.stats()["concurrency"]["current"] == 1)
            await eventually(lambda: functions.seen(CLOSE) == 1 or functions.seen(REPLY) == 1)
            seawall.process.send_signal(signal.SIGKILL)
            seawall.process.wait()
    with seawall_process(*arguments, tmp_path=tmp_path / "two") as seawall:
        async with grpc.aio.insecure_channel(seawall.address) as channel:
            assert shown(ticket_of(await wait(channel, begun.name))) == (CLOSED, ["On its way."])
    assert functions.seen(REPLY) == 1
