"""The shop behind `commerce.v1` as other HTTP clients see it."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.commerce import CRON, PARCELS, PAYMENTS, RECEIVED, Commerce
from gateway.demo.server import DownstreamApp


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    clock = FakeClock()
    app = DownstreamApp(Commerce(3, clock), 3, clock).build()
    async with TestClient(TestServer(app)) as client:
        yield client


async def received(client: TestClient) -> list[dict[str, Any]]:
    return (await (await client.get(RECEIVED)).json())["requests"]


@pytest.mark.parametrize("path", [PAYMENTS, PARCELS])
async def test_an_event_is_taken_and_kept_byte_for_byte(client: TestClient, path: str) -> None:
    body = b'{ "id" : "evt_1",\n "note": "\xc3\xa4" }'
    answer = await client.post(path, data=body, headers={"X-Request-Id": "r-1"})
    assert await answer.json() == {"eventId": "evt_1", "receiveTime": "2027-01-15T08:16:40Z"}
    (one,) = await received(client)
    assert (one["verb"], one["path"]) == ("POST", path)
    assert base64.b64decode(one["body"]) == body
    assert one["headers"]["x-request-id"] == "r-1"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "the event is not JSON"),
        (b"[]", "the event has no id"),
        (b'{"id": 7}', "the event has no id"),
    ],
)
async def test_what_is_no_event_is_refused(client: TestClient, body: bytes, text: str) -> None:
    answer = await client.post(PAYMENTS, data=body)
    assert answer.status == 400
    assert (await answer.json())["error"]["message"] == text


async def test_a_job_finds_its_work_once(client: TestClient) -> None:
    runs = [await (await client.post(f"{CRON}/retry-emails", json={})).json() for _ in range(2)]
    assert runs[0]["items"] >= 1
    assert runs[1] == {"job": "retry-emails", "items": 0, "endTime": "2027-01-15T08:16:40Z"}
    await client.post("/_demo/reset")
    again = await (await client.post(f"{CRON}/retry-emails", json={})).json()
    assert again["items"] == runs[0]["items"]
    assert len(await received(client)) == 1


async def test_a_job_that_does_not_exist_is_refused_by_its_field(client: TestClient) -> None:
    answer = await client.post(f"{CRON}/sweep", json={})
    assert answer.status == 400
    text = (await answer.json())["error"]["message"]
    assert text == "job must be one of retry-emails, expire-carts"


async def test_only_the_latest_requests_are_kept(client: TestClient) -> None:
    for number in range(210):
        await client.post(PARCELS, data=b'{"id": "%d"}' % number)
    kept = [base64.b64decode(one["body"]) for one in await received(client)]
    assert (len(kept), kept[-1]) == (200, b'{"id": "209"}')
