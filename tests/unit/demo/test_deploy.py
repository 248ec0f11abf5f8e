"""The registry and the deployer of `deploy.v1` as other HTTP clients see them."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.clock import SystemClock
from gateway.demo.deploy import CONNECTIONS, DEPLOYMENTS, TEMPLATES, Deploy
from gateway.demo.server import DownstreamApp


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    app = DownstreamApp(Deploy(3), 3, SystemClock()).build()
    async with TestClient(TestServer(app)) as client:
        yield client


async def answer(client: TestClient, path: str) -> tuple[int, Any]:
    response = await client.get(path)
    return response.status, await response.json()


async def test_templates_are_listed_by_page_and_category(client: TestClient) -> None:
    _, page = await answer(client, f"{TEMPLATES}?pageSize=3")
    assert [template["templateId"] for template in page["templates"]] == [
        "tpl-grocery",
        "tpl-bakery",
        "tpl-books",
    ]
    _, rest = await answer(client, f"{TEMPLATES}?pageToken={page['nextPageToken']}")
    assert (len(rest["templates"]), rest["nextPageToken"]) == (4, "")
    _, media = await answer(client, f"{TEMPLATES}?category=media")
    assert [template["templateId"] for template in media["templates"]] == [
        "tpl-books",
        "tpl-records",
    ]


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        (f"{TEMPLATES}/tpl-none", "deploy/template", "tpl-none"),
        (f"{DEPLOYMENTS}/dep-none", "deploy/deployment", "dep-none"),
    ],
)
async def test_what_is_not_there_is_named(
    client: TestClient, path: str, kind: str, name: str
) -> None:
    status, body = await answer(client, path)
    assert status == 404
    (detail,) = body["error"]["details"]
    assert (detail["resourceType"], detail["resourceName"]) == (kind, name)


async def test_a_deployment_is_of_a_template_there_is(client: TestClient) -> None:
    status, deployment = await answer(client, f"{DEPLOYMENTS}/dep-101")
    assert (status, deployment["store"]) == (200, "store-1")
    path = f"{TEMPLATES}?pageSize=100"
    templates = (await answer(client, path))[1]["templates"]
    assert deployment["templateId"] in [template["templateId"] for template in templates]


async def test_a_flaky_template_fails_twice(client: TestClient) -> None:
    path = f"{TEMPLATES}/tpl-flaky"
    assert [(await answer(client, path))[0] for _ in range(4)] == [503, 503, 200, 503]


async def test_connections_are_counted_until_a_reset(client: TestClient) -> None:
    async def counted() -> int:
        return (await answer(client, CONNECTIONS))[1]["connections"]

    for _ in range(3):
        await answer(client, TEMPLATES)
    assert await counted() == 1
    url = client.make_url(TEMPLATES)
    for _ in range(2):
        async with aiohttp.ClientSession() as other, other.get(url) as response:
            assert response.status == 200
    assert await counted() == 3
    assert (await client.post("/_demo/reset")).status == 204
    assert await counted() == 0
