"""The projects of `cloud.v1` as other HTTP clients see them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.cloud import PROJECTS, Cloud
from gateway.demo.server import DownstreamApp

PROJECT = {"displayName": "Maps", "region": "eu-west-1", "owner": "ana"}


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    clock = FakeClock()
    async with TestClient(TestServer(DownstreamApp(Cloud(3, clock), 3, clock).build())) as client:
        yield client


async def answer(client: TestClient, verb: str, path: str, **given: Any) -> tuple[int, Any]:
    response = await client.request(verb, path, **given)
    return response.status, await response.json() if response.status != 204 else None


async def listed(client: TestClient, query: str = "") -> list[str]:
    _, body = await answer(client, "GET", f"{PROJECTS}?pageSize=100{query}")
    return [project["projectId"] for project in body["projects"]]


async def test_a_project_is_created_read_changed_and_deleted(client: TestClient) -> None:
    status, created = await answer(client, "POST", PROJECTS, json=PROJECT)
    assert status == 201
    assert created == PROJECT | {
        "projectId": "prj-501",
        "createTime": "2027-01-15T08:16:40Z",
        "revision": "1",
    }
    path = f"{PROJECTS}/prj-501"
    assert await answer(client, "GET", path) == (200, created)
    query = {"updateMask": "owner"}
    body = {"owner": "bo", "displayName": "ignored"}
    assert await answer(client, "PATCH", path, params=query, json=body) == (
        200,
        created | {"owner": "bo", "revision": "2"},
    )
    assert (await answer(client, "DELETE", path))[0] == 204
    assert (await answer(client, "GET", path))[0] == 404


async def test_projects_are_listed_by_page_and_region(client: TestClient) -> None:
    first = (await answer(client, "GET", PROJECTS))[1]
    assert len(first["projects"]) == 25
    assert first["projects"][0]["projectId"] == "prj-101"
    _, second = await answer(client, "GET", f"{PROJECTS}?pageToken={first['nextPageToken']}")
    assert (len(second["projects"]), second["nextPageToken"]) == (8, "")
    regions = [await listed(client, f"&region={r}") for r in ("eu-central-1", "eu-west-1")]
    assert all(regions)
    assert not set(regions[0]) & set(regions[1])


@pytest.mark.parametrize(
    ("verb", "path", "body", "text"),
    [
        ("POST", "", PROJECT | {"displayName": ""}, "project.display_name is needed"),
        ("POST", "", PROJECT | {"owner": 7}, "project.owner is needed"),
        ("POST", "", PROJECT | {"region": "moon"}, "project.region must be one of eu-central-1, "),
        ("PATCH", "/prj-101?updateMask=displayName", {}, "project.display_name is needed"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    client: TestClient, verb: str, path: str, body: dict, text: str
) -> None:
    before = await answer(client, "GET", f"{PROJECTS}?pageSize=100")
    status, said = await answer(client, verb, PROJECTS + path, json=body)
    assert status == 400
    assert said["error"]["message"].startswith(text)
    assert await answer(client, "GET", f"{PROJECTS}?pageSize=100") == before


async def test_an_optional_text_can_be_taken_back(client: TestClient) -> None:
    path = f"{PROJECTS}/prj-101?updateMask=owner"
    status, project = await answer(client, "PATCH", path, json={})
    assert status == 200
    assert "owner" not in project


async def test_magic_ids_misbehave_as_told(client: TestClient) -> None:
    flaky = [(await answer(client, "GET", f"{PROJECTS}/prj-flaky"))[0] for _ in range(5)]
    assert flaky == [503, 503, 503, 200, 503]
    assert (await answer(client, "GET", f"{PROJECTS}/prj-denied"))[0] == 403


async def test_equal_seeds_hold_equal_projects() -> None:
    clock = FakeClock()
    pages = []
    for seed in (1, 1, 2):
        app = DownstreamApp(Cloud(seed, clock), seed, clock).build()
        async with TestClient(TestServer(app)) as client:
            pages.append(await answer(client, "GET", PROJECTS))
    assert pages[0] == pages[1] != pages[2]
