"""Row A11: a message of the contact form is delivered, or kept and delivered later; its sender
knows which."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.clock import FakeClock, FakeRng
from panel.v1 import contact_pb2, contact_pb2_grpc
from scenarios.answers import metadata
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream
from scenarios.gateways import failure_of, gateway_over
from scenarios.operations import durable, ended, get
from support.gateways import Running

CONTACT = "/.netlify/functions/contact"
SUBMIT = f"POST {CONTACT}"


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


def submit(running: Running, text: str = "Where is it?"):
    request = contact_pb2.SubmitRequest(email="ann@example.com", name="Ann", text=text)
    return contact_pb2_grpc.ContactServiceStub(running.channel).Submit(request)


def delivered(functions: Downstream) -> list[str]:
    messages = functions.ask("GET", "/_demo/messages")[1]["messages"]
    return [message["text"] for message in messages]


async def test_a_message_is_delivered_at_once(running: Running, functions: Downstream) -> None:
    call = submit(running)
    answer = await call
    assert (answer.message_id, answer.operation) == ("msg-1", "")
    assert "seawall-operation" not in await metadata(call)
    assert delivered(functions) == ["Where is it?"]


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"status": 500}, {"drop": True}, {"drop": True, "acts": True}],
    ids=["503", "500", "dropped", "lost-answer"],
)
async def test_on_failure_it_is_kept_and_delivered_later_once(
    fault: dict[str, object], running: Running, functions: Downstream, clock: FakeClock
) -> None:
    functions.set_faults({"path": CONTACT, "count": 3, **fault})
    call = submit(running)
    answer = await call
    assert answer.message_id == ""
    assert answer.operation == (await metadata(call))["seawall-operation"]
    assert not (await get(running.channel, answer.operation)).done
    found = await ended(running, clock, answer.operation)
    submission = contact_pb2.Submission()
    assert found.response.Unpack(submission)
    assert (submission.message_id, submission.operation) == ("msg-1", "")
    assert delivered(functions) == ["Where is it?"]


async def test_a_second_click_is_the_same_message(
    running: Running, functions: Downstream, clock: FakeClock
) -> None:
    functions.set_faults({"path": CONTACT, "status": 503})
    first = await submit(running)
    assert (await submit(running)).operation == first.operation
    functions.set_faults()
    await ended(running, clock, first.operation)
    assert delivered(functions) == ["Where is it?"]


async def test_what_the_function_refuses_is_told_and_not_kept(running: Running) -> None:
    failure = await failure_of(submit(running, ""))
    assert failure.code.name == "INVALID_ARGUMENT"
