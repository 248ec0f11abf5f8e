"""Row E2: a declared chain of sources: eBay, then SerpAPI's search, then what eBay told last."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.clock import FakeClock, FakeRng
from market.v1 import pricing_pb2, pricing_pb2_grpc
from scenarios.answers import told
from scenarios.downstreams import MARKET_UPSTREAMS, Downstream
from scenarios.gateways import gateway_over, through_backoffs
from support.gateways import Running

from gateway.core.events import FallbackUsed

EBAY, SERPAPI = "/buy/item_sales", "/search.json"
DAY_S = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(market: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, rng = dict.fromkeys(MARKET_UPSTREAMS, market.url), FakeRng([0.0])
    async with gateway_over("market", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


async def comps(
    running: Running, clock: FakeClock, q: str = "blue-card"
) -> tuple[list[str], dict[str, str]]:
    """Ask; return the titles, and who answered and how fresh it is."""
    request = pricing_pb2.GetCompsRequest(q=q, category="cards")
    call = pricing_pb2_grpc.PricingServiceStub(running.channel).GetComps(request)
    await through_backoffs(call, running, clock)
    answer = await call
    behind = dict(await call.trailing_metadata())
    kept = {
        name: str(behind[name])
        for name in ("seawall-answered-by", "seawall-cache")
        if name in behind
    }
    assert all(comp.price_cents > 0 and comp.currency == "USD" for comp in answer.comps)
    return [comp.title for comp in answer.comps], kept


async def test_ebay_answers_while_it_can(running: Running, clock: FakeClock) -> None:
    titles, behind = await comps(running, clock)
    assert titles[0] == "Blue-Card #1"
    assert behind == {"seawall-cache": "fresh"}


async def test_then_serpapi_does_and_is_named(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    market.set_faults({"path": EBAY, "status": 503})
    titles, behind = await comps(running, clock)
    assert titles == [f"Blue-Card, offer {n}" for n in (1, 2, 3)]
    assert behind["seawall-answered-by"] == "serpapi"
    assert [event.step for event in running.of(FallbackUsed)] == ["serpapi"]


async def test_offers_are_not_kept_in_the_place_of_sales(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    market.set_faults({"path": EBAY, "status": 503})
    await comps(running, clock)
    market.set_faults()
    titles, behind = await comps(running, clock)
    assert titles[0] == "Blue-Card #1"
    assert behind == {"seawall-cache": "fresh"}


async def test_then_what_ebay_told_last_is_given_and_said_to_be_old(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    await comps(running, clock)
    clock.advance(2 * DAY_S)
    market.set_faults({"path": EBAY, "status": 503})
    _, behind = await comps(running, clock)
    assert behind["seawall-answered-by"] == "serpapi"
    market.set_faults({"path": EBAY, "status": 503}, {"path": SERPAPI, "status": 503})
    titles, behind = await comps(running, clock)
    assert titles[0] == "Blue-Card #1"
    assert behind == {"seawall-cache": "stale"}


async def test_where_nobody_knows_both_are_told(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    market.set_faults({"path": EBAY, "status": 503}, {"path": SERPAPI, "status": 503})
    request = pricing_pb2.GetCompsRequest(q="never-asked-for", category="cards")
    call = pricing_pb2_grpc.PricingServiceStub(running.channel).GetComps(request)
    failure = asyncio.ensure_future(told(call))
    await through_backoffs(call, running, clock)
    assert ("market.v1", "EBAY_UNAVAILABLE") in (await failure).reasons
    assert "serpapi" in (await failure).message
