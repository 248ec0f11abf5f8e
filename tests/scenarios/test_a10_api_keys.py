"""Row A10: concurrent changes of one account are made one at a time, whichever gateway they come
by: no partial state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from panel.v1 import api_keys_pb2, api_keys_pb2_grpc
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream
from scenarios.gateways import ANYBODY, callers, descriptors
from scenarios.operations import durable
from support.gateways import seawall_process

GATEWAYS = 2


@pytest.fixture
async def gateways(functions: Downstream, tmp_path: Path) -> AsyncIterator[list[grpc.aio.Channel]]:
    config = tmp_path / "seawall.yaml"
    config.write_text(
        f"descriptor_set: {descriptors('panel')}\n{durable(tmp_path)}\n"
        f"{callers(root='admin')}\n{ANYBODY}\n"
    )
    upstreams = (f"--upstream={name}={functions.url}" for name in PANEL_UPSTREAMS)
    arguments = ("--config", str(config), *upstreams)
    async with AsyncExitStack() as stack:
        channels = []
        for number in range(GATEWAYS):
            folder = tmp_path / str(number)
            folder.mkdir()
            seawall = stack.enter_context(seawall_process(*arguments, tmp_path=folder))
            channel = grpc.aio.insecure_channel(seawall.address)
            channels.append(await stack.enter_async_context(channel))
        yield channels


def issue(channel: grpc.aio.Channel, label: str, account: str = "acc-1"):
    request = api_keys_pb2.IssueApiKeyRequest(account_id=account, label=label)
    return api_keys_pb2_grpc.ApiKeyServiceStub(channel).IssueApiKey(request)


def revoke(channel: grpc.aio.Channel, key_id: str, account: str = "acc-1"):
    request = api_keys_pb2.RevokeApiKeyRequest(account_id=account, key_id=key_id)
    return api_keys_pb2_grpc.ApiKeyServiceStub(channel).RevokeApiKey(request)


async def listed(channel: grpc.aio.Channel, account: str = "acc-1") -> tuple[list[str], int]:
    """Return the labels of an account's keys, and how often they were changed."""
    request = api_keys_pb2.ListApiKeysRequest(account_id=account)
    answer = await api_keys_pb2_grpc.ApiKeyServiceStub(channel).ListApiKeys(request)
    return [key.label for key in answer.keys], answer.version


def overlaps(functions: Downstream) -> int:
    count: int = functions.ask("GET", "/_demo/overlaps")[1]["overlaps"]
    return count


async def test_changes_of_one_account_by_two_gateways_lose_nothing(
    gateways: list[grpc.aio.Channel], functions: Downstream
) -> None:
    first = await asyncio.gather(*(issue(gateways[n % GATEWAYS], f"old-{n}") for n in range(10)))
    changes = [issue(gateways[n % GATEWAYS], f"new-{n}") for n in range(20)]
    changes += [revoke(gateways[n % GATEWAYS], key.key_id) for n, key in enumerate(first)]
    await asyncio.gather(*changes)
    labels, version = await listed(gateways[0])
    assert sorted(labels) == sorted(f"new-{n}" for n in range(20))
    assert version == 40
    assert overlaps(functions) == 0


async def test_they_are_made_in_the_order_of_arrival(gateways: list[grpc.aio.Channel]) -> None:
    calls = []
    for number in range(12):
        calls.append(asyncio.ensure_future(issue(gateways[number % GATEWAYS], str(number)).code()))
        await asyncio.sleep(0.03)
    assert {await call for call in calls} == {grpc.StatusCode.OK}
    assert (await listed(gateways[0]))[0] == [str(number) for number in range(12)]


async def test_accounts_do_not_wait_for_each_other(
    gateways: list[grpc.aio.Channel], functions: Downstream
) -> None:
    path = "/.netlify/functions/api-keys/acc-1"
    functions.set_faults({"verb": "POST", "path": path, "latency_s": 3.0, "count": 1})
    slow = issue(gateways[0], "slow")
    await asyncio.gather(*(issue(gateways[1], "quick", f"acc-{n}") for n in range(2, 7)))
    assert not slow.done()
    assert (await slow).label == "slow"


async def test_a_caller_that_leaves_the_line_holds_nobody_up(
    gateways: list[grpc.aio.Channel], functions: Downstream
) -> None:
    path = "/.netlify/functions/api-keys/acc-1"
    functions.set_faults({"verb": "POST", "path": path, "latency_s": 1.0, "count": 1})
    first = issue(gateways[0], "first")
    await asyncio.sleep(0.3)
    leaving = issue(gateways[1], "leaving")
    await asyncio.sleep(0.2)
    last = issue(gateways[0], "last")
    leaving.cancel()
    assert (await first).label == "first"
    assert (await asyncio.wait_for(last, 5)).label == "last"
    assert (await listed(gateways[0]))[0] == ["first", "last"]
