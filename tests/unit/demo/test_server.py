"""The downstream's server on a real socket, with a system of one route."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.clock import SystemClock
from gateway.demo.faults import Fault
from gateway.demo.server import DownstreamApp, RestError


class Counter:
    name = "counter"
    faults = (Fault(path="/magic", status=503),)

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/count", self._add), web.get("/refuse", self._refuse)]

    async def _add(self, _request: web.Request) -> web.StreamResponse:
        self.count += 1
        return web.json_response({"count": self.count})

    async def _refuse(self, _request: web.Request) -> web.StreamResponse:
        raise RestError(409, "no", [{"@type": "type.googleapis.com/x"}])


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def client(counter: Counter) -> AsyncIterator[TestClient]:
    app = DownstreamApp(counter, 1, SystemClock()).build()
    async with TestClient(TestServer(app)) as client:
        yield client


async def set_faults(client: TestClient, *faults: dict[str, Any]) -> None:
    answer = await client.put("/_demo/faults", json={"faults": faults})
    assert answer.status == 200, await answer.text()


async def stats(client: TestClient) -> dict[str, Any]:
    return await (await client.get("/_demo/stats")).json()


async def test_errors_have_googles_shape(client: TestClient) -> None:
    answer = await client.get("/refuse")
    assert answer.status == 409
    assert await answer.json() == {
        "error": {
            "code": 409,
            "message": "no",
            "status": "ABORTED",
            "details": [{"@type": "type.googleapis.com/x"}],
        }
    }


@pytest.mark.parametrize(("verb", "path", "status"), [("GET", "/no", 404), ("GET", "/count", 405)])
async def test_an_unknown_route_is_an_error_in_the_same_shape(
    client: TestClient, verb: str, path: str, status: int
) -> None:
    answer = await client.request(verb, path)
    assert answer.status == status
    assert (await answer.json())["error"]["code"] == status


async def test_a_status_is_answered_instead_of_acting(client: TestClient, counter: Counter) -> None:
    await set_faults(client, {"status": 429, "retry_after_s": 7})
    answer = await client.post("/count")
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert (await answer.json())["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert counter.count == 0


async def test_a_status_can_hide_that_the_request_took_effect(
    client: TestClient, counter: Counter
) -> None:
    await set_faults(client, {"status": 503, "acts": True})
    assert (await client.post("/count")).status == 503
    assert counter.count == 1


@pytest.mark.parametrize("acts", [False, True])
async def test_a_dropped_request_gets_no_answer(
    client: TestClient, counter: Counter, acts: bool
) -> None:
    await set_faults(client, {"drop": True, "acts": acts})
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.post("/count")
    assert counter.count == int(acts)
    assert (await stats(client))["statuses"] == {}


async def test_a_client_that_goes_away_is_counted_and_its_work_ends(
    client: TestClient, counter: Counter
) -> None:
    await set_faults(client, {"latency_s": 600})
    waiting = asyncio.create_task(client.post("/count"))
    while (await stats(client))["concurrency"]["current"] == 0:
        assert not waiting.done()
    waiting.cancel()
    await asyncio.wait({waiting})
    while (report := await stats(client))["concurrency"]["current"]:
        pass
    assert report["clients_gone"] == 1
    assert counter.count == 0


async def test_magic_and_set_faults_end_as_they_should(client: TestClient) -> None:
    await set_faults(client, {"status": 500, "path": "/count"})
    assert (await client.post("/count")).status == 500
    assert await (await client.delete("/_demo/faults")).json() == {"faults": []}
    assert (await client.post("/count")).status == 200
    assert (await client.get("/magic")).status == 503


async def test_a_reset_brings_everything_back(client: TestClient, counter: Counter) -> None:
    await client.post("/count")
    await set_faults(client, {"status": 500})
    assert (await client.post("/_demo/reset")).status == 204
    assert counter.count == 0
    assert (await stats(client))["total"] == 0
    assert (await client.post("/count")).status == 200


async def test_faults_do_not_concern_the_control_endpoints(client: TestClient) -> None:
    await set_faults(client, {"drop": True})
    assert (await (await client.get("/_demo/faults")).json())["faults"][0]["drop"] is True
    assert (await stats(client))["total"] == 0


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b"{}", 'write {"faults": [{…}, …]}'),
        (b'{"faults": [], "x": 1}', 'write {"faults": [{…}, …]}'),
        (b'{"faults": [{"status": 503}, {"status": 1}]}', "faults[1]: status: must be 400 to 599"),
    ],
)
async def test_faults_that_cannot_be_are_refused_and_change_nothing(
    client: TestClient, body: bytes, text: str
) -> None:
    await set_faults(client, {"status": 418})
    answer = await client.put("/_demo/faults", data=body)
    assert answer.status == 400
    assert (await answer.json())["error"]["message"] == text
    assert (await client.post("/count")).status == 418
