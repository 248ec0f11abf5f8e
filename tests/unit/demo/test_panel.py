"""The panel's REST functions as other HTTP clients see them, and its process."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.panel import ORDERS, SERVICES, Panel
from gateway.demo.server import DownstreamApp

END_S = 30


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    clock = FakeClock()
    async with TestClient(TestServer(DownstreamApp(Panel(3, clock), 3, clock).build())) as client:
        yield client


async def refused(client: TestClient, verb: str, path: str, **given: Any) -> str:
    answer = await client.request(verb, path, **given)
    assert answer.status == 400
    error = (await answer.json())["error"]
    (violation,) = error["details"][0]["fieldViolations"]
    return f"{violation['field']} {violation['description']}"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("pageSize=-1", "page_size must be a whole number, 0 or more"),
        ("pageSize=x", "page_size must be a whole number, 0 or more"),
        ("pageToken=x", "page_token is not a token of an earlier page"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(client: TestClient, query: str, text: str) -> None:
    assert await refused(client, "GET", f"{ORDERS}?{query}") == text


@pytest.mark.parametrize(
    ("path", "mask", "body", "text"),
    [
        (f"{ORDERS}/ord-1001", "", {"state": "LOST"}, "order.state must be one of PENDING, "),
        (f"{ORDERS}/ord-1001", "state", {}, "order.state must be one of PENDING, "),
        (f"{ORDERS}/ord-1001", "quantity", {}, "order.quantity must be a whole number, 1 or more"),
        (f"{ORDERS}/ord-1001", "", {"quantity": True}, "order.quantity must be a whole number"),
        (f"{ORDERS}/ord-1001", "", {"serviceId": "no"}, "order.service_id is not in the catalog"),
        (f"{SERVICES}/svc-logo", "name", {}, "service.name is needed"),
        (f"{SERVICES}/svc-logo", "", {"priceCents": "-1"}, "service.price_cents must be a whole"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    client: TestClient, path: str, mask: str, body: dict, text: str
) -> None:
    async def everything() -> list[Any]:
        pages = (ORDERS, f"{SERVICES}?audience=admin")
        return [await (await client.get(page)).json() for page in pages]

    before = await everything()
    query = {"updateMask": mask} if mask else {}
    assert (await refused(client, "PATCH", path, params=query, json=body)).startswith(text)
    assert await everything() == before


async def test_what_the_service_gives_cannot_be_changed(client: TestClient) -> None:
    before = await (await client.get(f"{ORDERS}/ord-1001")).json()
    body = {"orderId": "ord-7", "totalCents": 1, "createdAt": "never"}
    answer = await client.patch(f"{ORDERS}/ord-1001", json=body)
    assert await answer.json() == before


# The process


def panel(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.demo.panel", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_ends_when_standard_input_does() -> None:
    with panel("--until-stdin-closes") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("panel on http://127.0.0.1:")
        _, errors = process.communicate(timeout=END_S)  # closes it
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_by_a_signal(number: signal.Signals) -> None:
    with panel() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(END_S) == 0


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with panel("--port", str(port)) as process:
            _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 1
    assert (
        errors
        == f"panel: 127.0.0.1:{port}: the port is in use; choose another (0 picks a free one)\n"
    )
