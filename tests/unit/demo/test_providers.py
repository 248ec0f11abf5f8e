"""The panel's providers function as other HTTP clients see it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.panel import ORDERS, Panel
from gateway.demo.providers import PROVIDERS, QUOTA, Quota
from gateway.demo.server import DownstreamApp

SYNC = {"action": "sync"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(DownstreamApp(Panel(3, clock), 3, clock).build())) as client:
        yield client


async def answer(client: TestClient, verb: str, path: str, **given: Any) -> tuple[int, Any]:
    response = await client.request(verb, path, **given)
    return response.status, await response.json() if response.status != 204 else None


async def test_a_provider_is_added_read_changed_and_deleted(client: TestClient) -> None:
    given = {"name": "Atelier", "apiUrl": "https://atelier.example/v2"}
    assert await answer(client, "POST", PROVIDERS, json=given) == (
        201,
        given | {"providerId": "prv-1"},
    )
    path = f"{PROVIDERS}/prv-1"
    status, changed = await answer(client, "PATCH", path, json={"name": "Studio"})
    assert (status, changed["name"]) == (200, "Studio")
    assert await answer(client, "GET", path) == (200, changed)
    _, listed = await answer(client, "GET", PROVIDERS)
    assert [provider["providerId"] for provider in listed["providers"]] == [
        "prv-north",
        "prv-quill",
        "prv-loom",
        "prv-1",
    ]
    assert (await answer(client, "DELETE", path))[0] == 204
    assert (await answer(client, "GET", path))[0] == 404


@pytest.mark.parametrize(
    ("provider", "body", "count"),
    [
        ("prv-north", {}, 43),
        ("prv-north", {"category": "Design"}, 31),
        ("prv-quill", {"category": "Web"}, 0),
    ],
)
async def test_an_import_counts_what_is_offered_however_often(
    client: TestClient, provider: str, body: dict, count: int
) -> None:
    for _ in range(2):
        status, synced = await answer(
            client, "POST", f"{PROVIDERS}/{provider}", params=SYNC, json=body
        )
        assert status == 200
        assert synced["serviceCount"] == count
        assert synced["syncTime"] == "2027-01-15T08:16:40Z"


async def test_a_provider_that_was_added_offers_something_too(client: TestClient) -> None:
    given = {"name": "Atelier", "apiUrl": "https://atelier.example/v2"}
    await answer(client, "POST", PROVIDERS, json=given)
    _, synced = await answer(client, "POST", f"{PROVIDERS}/prv-1", params=SYNC, json={})
    assert synced["serviceCount"] == 12


async def test_another_action_is_refused(client: TestClient) -> None:
    path = f"{PROVIDERS}/prv-north"
    status, body = await answer(client, "POST", path, params={"action": "erase"}, json={})
    assert (status, body["error"]["message"]) == (400, "action must be sync")


async def test_requests_beyond_the_quota_are_refused_and_no_others(
    client: TestClient, clock: FakeClock
) -> None:
    statuses = [(await client.get(PROVIDERS)).status for _ in range(QUOTA)]
    assert statuses == [200] * QUOTA
    over = await client.get(f"{PROVIDERS}/prv-north")
    assert (over.status, over.headers["retry-after"]) == (429, "1")
    assert (await client.get(ORDERS)).status == 200
    clock.advance(1.0)
    assert (await client.get(PROVIDERS)).status == 200


async def test_a_reset_forgets_what_was_used_of_the_quota(client: TestClient) -> None:
    for _ in range(QUOTA):
        await client.get(PROVIDERS)
    await client.post("/_demo/reset")
    assert (await client.get(PROVIDERS)).status == 200


def test_refused_requests_count_too() -> None:
    quota = Quota(2, 1.0)
    assert [quota.take(now) for now in (0.0, 0.0, 0.9, 0.95, 1.8)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert quota.take(3.0)


def test_a_window_slides() -> None:
    quota = Quota(2, 1.0)
    assert [quota.take(now) for now in (0.0, 0.6, 1.0, 1.5, 2.0)] == [True, True, True, False, True]
