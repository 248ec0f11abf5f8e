"""Row A2: one policy for five consumers of users: one pace for all of them, which the function's
429 slows for all, and one call for their equal reads at one time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from google.protobuf.field_mask_pb2 import FieldMask
from panel.v1 import users_pb2, users_pb2_grpc
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, eventually
from scenarios.gateways import ANYBODY, as_, callers, failure_of, gateway_over
from support.gateways import Running

from gateway.core.events import PacingChanged

USERS = "/.netlify/functions/users"
CONSUMERS = ("shop", "mail", "billing", "support", "reports")
CONFIG = f"{callers(root='admin', **dict.fromkeys(CONSUMERS, ''))}\n{ANYBODY}"
BURST, A_SECOND = 5, 20


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    functions: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls, rng = dict.fromkeys(PANEL_UPSTREAMS, functions.url), FakeRng([0.5])
    async with gateway_over(
        "panel", urls, tmp_path, clock=clock, rng=rng, config=CONFIG
    ) as running:
        yield running


def users(running: Running) -> users_pb2_grpc.UserServiceStub:
    return users_pb2_grpc.UserServiceStub(running.channel)


def get(running: Running, who: str, user_id: str = "usr-1"):
    return users(running).GetUser(users_pb2.GetUserRequest(user_id=user_id), metadata=as_(who))


def seen(functions: Downstream) -> int:
    requests: dict[str, int] = functions.stats()["requests"]
    return sum(count for request, count in requests.items() if USERS in request)


async def test_users_are_listed_read_changed_and_deleted(running: Running) -> None:
    stub, who = users(running), as_("support")
    listed = await stub.ListUsers(users_pb2.ListUsersRequest(), metadata=who)
    assert [user.name for user in listed.users] == ["Ann", "Bob", "Cem", "Dora", "Emil", "Fay"]
    changed = await stub.UpdateUser(
        users_pb2.UpdateUserRequest(
            user=users_pb2.PanelUser(user_id="usr-2", name="Bea", email="ignored"),
            update_mask=FieldMask(paths=["name"]),
        ),
        metadata=who,
    )
    assert (changed.name, changed.email) == ("Bea", "bob@example.com")
    await stub.DeleteUser(users_pb2.DeleteUserRequest(user_id="usr-2"), metadata=who)
    gone = await failure_of(get(running, "support", "usr-2"))
    assert gone.code == grpc.StatusCode.NOT_FOUND
    nobody = await failure_of(stub.ListUsers(users_pb2.ListUsersRequest()))
    assert nobody.code == grpc.StatusCode.UNAUTHENTICATED


async def test_equal_reads_of_all_consumers_at_one_time_are_one_call(
    running: Running, functions: Downstream
) -> None:
    functions.set_faults({"path": USERS, "latency_s": 0.3})
    found = await asyncio.gather(*(get(running, who) for who in CONSUMERS for _ in range(20)))
    assert {user.name for user in found} == {"Ann"}
    assert seen(functions) == 1


async def test_consumers_share_one_pace(
    running: Running, functions: Downstream, clock: FakeClock
) -> None:
    calls = [
        asyncio.ensure_future(failure_of(get(running, who, f"{who}-{number}")))
        for who in CONSUMERS
        for number in range(10)
    ]
    await eventually(lambda: seen(functions) >= BURST)
    await asyncio.sleep(0.2)
    assert seen(functions) <= BURST + 1
    passed_s = 0.0
    while not all(call.done() for call in calls):
        clock.advance(0.05)
        passed_s += 0.05
        await asyncio.sleep(0.02)
        assert seen(functions) <= BURST + 1 + passed_s * A_SECOND
    assert seen(functions) == len(calls)


async def test_what_the_function_tells_some_slows_them_all(
    running: Running, functions: Downstream, clock: FakeClock
) -> None:
    refusals = 40
    functions.set_faults({"path": USERS, "status": 429, "retry_after_s": 5, "count": refusals})
    calls = [
        asyncio.ensure_future(failure_of(get(running, "shop", f"nobody-{number}")))
        for number in range(1, refusals + 1)
    ]
    while not running.of(PacingChanged):
        clock.advance(0.05)
        await asyncio.sleep(0.02)
    told = seen(functions)
    assert told <= refusals
    functions.set_faults()
    others = [asyncio.ensure_future(get(running, who).code()) for who in CONSUMERS[1:]]
    for _ in range(20):
        clock.advance(0.2)
        await asyncio.sleep(0.02)
    assert seen(functions) == told
    for _ in range(200):
        clock.advance(0.2)
        await asyncio.sleep(0.02)
        if all(call.done() for call in (*calls, *others)):
            break
    assert {await call for call in others} == {grpc.StatusCode.OK}
    # Some of those that were refused came again at that pace; the others were told when to.
    ends = [await call for call in calls]
    refused = [end for end in ends if end.code != grpc.StatusCode.NOT_FOUND]
    assert 0 < len(refused) < refusals
    assert {end.code for end in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(end.retry_delay_s for end in refused)
