"""Row E1: prices are kept as long as their category says; with eBay dead the old ones are
given, and said to be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.clock import FakeClock, FakeRng
from market.v1 import pricing_pb2, pricing_pb2_grpc
from scenarios.answers import metadata, told
from scenarios.downstreams import MARKET_UPSTREAMS, Downstream
from scenarios.gateways import gateway_over, samples, through_backoffs
from seawall.admin.v1 import admin_pb2, admin_pb2_grpc
from support.gateways import Running

EBAY, SERPAPI = "/buy/item_sales", "/search.json"
SALES = f"GET {EBAY}"
DAY_S = 86_400
KEPT_DAYS = {
    "": 1,
    "cards": 1,
    "collectibles": 7,
    "electronics": 7,
    "handbags": 7,
    "vintage": 7,
    "shoes": 28,
}
BETWEEN_14_AND_21_DAYS = ("watches", "toys", "gaming", "tools", "antiques")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(market: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls = dict.fromkeys(MARKET_UPSTREAMS, market.url)
    rng = FakeRng([0.0])  # no jitter
    async with gateway_over("market", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


def ask(running: Running, category: str, q: str = "blue-card"):
    request = pricing_pb2.GetCompsRequest(q=q, category=category)
    return pricing_pb2_grpc.PricingServiceStub(running.channel).GetComps(request)


async def comps(running: Running, category: str = "cards", q: str = "blue-card") -> tuple[str, int]:
    """Ask; return whether the answer was kept, and its age in seconds."""
    behind = await metadata(ask(running, category, q))
    return str(behind["seawall-cache"]), int(behind["age"])


@pytest.mark.parametrize(("category", "days"), KEPT_DAYS.items())
async def test_they_are_kept_as_long_as_their_category_says(
    category: str, days: int, market: Downstream, running: Running, clock: FakeClock
) -> None:
    assert await comps(running, category) == ("fresh", 0)
    clock.advance(days * DAY_S - 1)
    assert await comps(running, category) == ("cached", days * DAY_S - 1)
    assert market.seen(SALES) == 1
    clock.advance(1)
    assert await comps(running, category) == ("fresh", 0)
    assert market.seen(SALES) == 2


@pytest.mark.parametrize("category", BETWEEN_14_AND_21_DAYS)
async def test_what_sells_seldom_is_kept_for_two_to_three_weeks(
    category: str, running: Running, clock: FakeClock
) -> None:
    await comps(running, category)
    clock.advance(14 * DAY_S - 1)
    assert (await comps(running, category))[0] == "cached"
    clock.advance(7 * DAY_S + 1)
    assert (await comps(running, category))[0] == "fresh"


async def test_with_ebay_dead_and_no_other_source_the_old_price_is_given_and_said_to_be_old(
    market: Downstream, running: Running, clock: FakeClock
) -> None:
    await comps(running)
    clock.advance(2 * DAY_S)
    market.set_faults({"path": EBAY, "status": 503}, {"path": SERPAPI, "status": 503})
    call = ask(running, "cards")
    await through_backoffs(call, running, clock)
    assert len((await call).comps) > 0
    behind = dict(await call.trailing_metadata())
    assert behind["seawall-cache"] == "stale"
    assert int(behind["age"]) >= 2 * DAY_S
    other = ask(running, "cards", "never-asked-for")
    failure = asyncio.ensure_future(told(other))
    await through_backoffs(other, running, clock)
    assert ("market.v1", "EBAY_UNAVAILABLE") in (await failure).reasons


async def test_the_cache_is_counted_and_can_be_emptied_by_category(
    market: Downstream, running: Running
) -> None:
    for _ in range(3):
        await comps(running, "cards")
        await comps(running, "shoes")
    ops = f"http://{running.gateway.ops_address}"
    found = await asyncio.to_thread(samples, ops, "seawall_cache_answers_total")
    assert {dict(at)["state"]: count for at, count in found.items()} == {"fresh": 2, "cached": 4}
    admin = admin_pb2_grpc.AdminServiceStub(running.channel)
    await admin.PurgeCache(admin_pb2.PurgeCacheRequest(tags=["comps:cards"]))
    assert (await comps(running, "cards"))[0] == "fresh"
    assert (await comps(running, "shoes"))[0] == "cached"
