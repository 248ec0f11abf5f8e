"""The APIs behind `market.v1` as other HTTP clients see them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.market import ANALYZE, Market
from gateway.demo.server import DownstreamApp
from gateway.demo.third_parties import EBAY, OPENAI, SERPAPI, STRIPE

CARD = {"amount": "4200", "currency": "usd", "payment_method": "pm_card"}


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    clock = FakeClock()
    app = DownstreamApp(Market(3, clock), 3, clock).build()
    async with TestClient(TestServer(app)) as client:
        yield client


async def got(client: TestClient, path: str, **query: str) -> tuple[int, Any]:
    answer = await client.get(path, params=query)
    return answer.status, await answer.json()


async def identified(client: TestClient, name: str) -> tuple[int, Any]:
    body = {"imageUrl": f"https://img.example/{name}.jpg"}
    answer = await client.post(OPENAI, json=body)
    return answer.status, await answer.json()


async def test_sales_are_the_latest_first_and_as_many_as_asked_for(client: TestClient) -> None:
    status, body = await got(client, EBAY, q="blue card", limit="3")
    assert status == 200
    assert [one["title"] for one in body["comps"]] == [f"Blue Card #{n}" for n in (1, 2, 3)]
    times = [one["sellTime"] for one in body["comps"]]
    assert times == sorted(times, reverse=True)
    assert await got(client, EBAY, q="blue card", limit="3") == (status, body)
    assert len((await got(client, EBAY, q="x"))[1]["comps"]) == 10
    assert len((await got(client, EBAY, q="x", limit="99"))[1]["comps"]) == 50


@pytest.mark.parametrize(
    ("query", "text"),
    [({}, "q is needed"), ({"q": "x", "limit": "-1"}, "limit must be a whole number, 0 or more")],
)
async def test_sales_that_cannot_be_looked_for_are_refused(
    client: TestClient, query: dict[str, str], text: str
) -> None:
    status, body = await got(client, EBAY, **query)
    assert (status, body["error"]["message"]) == (400, text)


async def test_ebay_says_when_to_come_back_and_serpapi_does_not(client: TestClient) -> None:
    ebay = await client.get(EBAY, params={"q": "throttled"})
    assert (ebay.status, ebay.headers["retry-after"]) == (429, "7")
    serpapi = await client.get(SERPAPI, params={"q": "throttled"})
    assert (serpapi.status, "retry-after" in serpapi.headers) == (429, False)


async def test_a_picture_is_recognised_as_the_same_again(client: TestClient) -> None:
    status, body = await identified(client, "blue-card")
    assert (status, body["title"]) == (200, "Blue Card")
    assert 0.5 <= body["confidence"] <= 1
    assert await identified(client, "blue-card") == (status, body)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("blurred", 400, "invalid_image"), ("broke", 429, "insufficient_quota")],
)
async def test_openai_tells_its_errors_by_code(
    client: TestClient, name: str, status: int, code: str
) -> None:
    found, body = await identified(client, name)
    assert (found, body["error"]["code"]) == (status, code)


async def test_a_picture_without_an_address_is_refused(client: TestClient) -> None:
    answer = await client.post(OPENAI, json={})
    assert (await answer.json())["error"]["message"] == "image_url is needed"


async def test_a_search_finds_offers_and_tells_a_missing_query(client: TestClient) -> None:
    status, body = await got(client, SERPAPI, q="blue card")
    assert (status, len(body["results"])) == (200, 3)
    status, body = await got(client, SERPAPI)
    assert (status, body["error"]) == (400, "Missing query `q` parameter.")


async def test_payments_are_forms_and_numbered_from_one(client: TestClient) -> None:
    paid = [await (await client.post(STRIPE, data=CARD)).json() for _ in range(2)]
    assert [one["id"] for one in paid] == ["pi_1", "pi_2"]
    assert paid[0] | {"id": ""} == {
        "id": "",
        "status": "succeeded",
        "amount": 4200,
        "currency": "usd",
    }
    await client.post("/_demo/reset")
    assert (await (await client.post(STRIPE, data=CARD)).json())["id"] == "pi_1"


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_declined", "card_declined", "generic_decline"),
        ("pm_no_funds", "card_declined", "insufficient_funds"),
        ("pm_expired", "expired_card", None),
    ],
)
async def test_stripe_tells_what_is_wrong_with_a_card(
    client: TestClient, card: str, code: str, decline_code: str | None
) -> None:
    answer = await client.post(STRIPE, data=CARD | {"payment_method": card})
    error = (await answer.json())["error"]
    assert (answer.status, error["code"], error.get("decline_code")) == (402, code, decline_code)


async def test_nothing_is_no_payment(client: TestClient) -> None:
    answer = await client.post(STRIPE, data=CARD | {"amount": "0"})
    assert answer.status == 400


async def test_the_scanner_is_where_it_was(client: TestClient) -> None:
    answer = await client.post(ANALYZE, json={"imageUrl": "https://img.example/a-card.jpg"})
    assert (await answer.json())["title"] == "A Card"
