"""The panel's settings function as other HTTP clients see it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.panel import Panel
from gateway.demo.server import DownstreamApp
from gateway.demo.settings import SETTINGS


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    clock = FakeClock()
    async with TestClient(TestServer(DownstreamApp(Panel(3, clock), 3, clock).build())) as client:
        yield client


async def now(client: TestClient) -> Any:
    return await (await client.get(SETTINGS)).json()


async def changed(client: TestClient, body: Any, mask: str | None = None) -> tuple[int, Any]:
    params = {} if mask is None else {"updateMask": mask}
    answer = await client.patch(SETTINGS, params=params, json=body)
    return answer.status, await answer.json()


async def test_what_the_mask_names_is_changed_and_nothing_else(client: TestClient) -> None:
    before = await now(client)
    body = {"maintenance": True, "smtpPassword": "new", "shopName": "ignored"}
    assert await changed(client, body, "maintenance,smtpPassword") == (
        200,
        before | {"maintenance": True, "smtpPassword": "new"},
    )
    assert (await changed(client, {}, "maintenance"))[1]["maintenance"] is False


async def test_without_a_mask_every_field_that_is_set_is_changed(client: TestClient) -> None:
    before = await now(client)
    assert await changed(client, {"shopName": "New"}) == (200, before | {"shopName": "New"})


async def test_a_secret_can_be_taken_back_and_a_name_cannot(client: TestClient) -> None:
    assert "paymentSecret" not in (await changed(client, {}, "paymentSecret"))[1]
    status, body = await changed(client, {}, "shopName")
    assert (status, body["error"]["message"]) == (400, "settings.shop_name is needed")


async def test_a_reset_takes_back_every_change(client: TestClient) -> None:
    before = await now(client)
    await changed(client, {"shopName": "New"})
    await client.post("/_demo/reset")
    assert await now(client) == before
