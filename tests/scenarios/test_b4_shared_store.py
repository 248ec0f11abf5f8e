"""Row B4: the stores that the shop's gateways share. What does not answer costs no more than its
time; three failures in a minute, and it is left alone; the gateway goes on degraded and says so."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from commerce.v1 import campaigns_pb2, campaigns_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from scenarios.answers import metadata
from scenarios.downstreams import Downstream
from scenarios.gateways import as_, failure_of, key_of, sample, settled
from support.gateways import Running, gateway_for
from support.postgres import PostgresServer
from support.redis import RedisServer

import gateway.demo
from gateway.core.events import StoreChanged

SHIPPED = Path(gateway.demo.__file__).with_name("commerce.yaml")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
CACHE_S, DATABASE_S, FAILURES = 2.0, 10.0, 3
LEAVES_ALONE_S = 5.0
pytestmark = pytest.mark.timeout(180)


class Shop:
    """A gateway with the shipped settings, over stores that may be stopped."""

    def __init__(self, running: Running, redis: RedisServer, database: PostgresServer) -> None:
        self.running = running
        self.redis = redis
        self.database = database
        self.stub = campaigns_pb2_grpc.EmailCampaignServiceStub(running.channel)

    async def look(self, campaign: str = "spring") -> str:
        """Read a campaign; return how fresh it is."""
        request = campaigns_pb2.GetCampaignRequest(campaign_id=campaign)
        call = self.stub.GetCampaign(request, metadata=as_("ada"))
        assert (await call).campaign_id == campaign
        return str((await metadata(call)).get("seawall-cache", ""))

    def send(self, campaign: str):
        request = campaigns_pb2.SendCampaignRequest(campaign_id=campaign)
        return self.stub.Send(request, metadata=as_("ada"))

    async def available(self, store: str) -> float:
        ops = f"http://{self.running.gateway.ops_address}"
        return await asyncio.to_thread(sample, ops, "seawall_store_available", store=store)

    async def health(self, service: str) -> int:
        stub = health_pb2_grpc.HealthStub(self.running.channel)
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await stub.Check(request, metadata=as_("ada"))
        status: int = answer.status
        return status

    def told(self, store: str) -> list[bool]:
        """Return what was told of a store: whether it answers."""
        return [e.available for e in self.running.of(StoreChanged) if e.store == store]


@pytest.fixture
async def shop(
    commerce: Downstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    keys = tmp_path / "keys.yaml"
    digest = hashlib.sha256(key_of("ada").encode()).hexdigest()
    keys.write_text(f"keys: [{{caller: ada, sha256: {digest}}}]\n")
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        database = stack.enter_context(PostgresServer())
        monkeypatch.setenv("COMMERCE_REDIS", f"{redis.url}/0")
        monkeypatch.setenv("COMMERCE_DATABASE", database.database())
        monkeypatch.setenv("COMMERCE_KEYS", str(keys))
        monkeypatch.setenv("COMMERCE_PAYMENT_SECRET", "whsec_4711_0123456789")
        monkeypatch.setenv("COMMERCE_PARCEL_SECRET", "parcel_4711_0123456789")
        text = SHIPPED.read_text().replace("commerce.binpb", str(SHIPPED.with_suffix(".binpb")))
        running = await stack.enter_async_context(
            gateway_for(
                {"shop": commerce.url, "mailer": commerce.url},
                proto=None,
                config=text,
                tmp_path=tmp_path,
            )
        )
        yield Shop(running, redis, database)
        redis.thaw()
        database.thaw()


async def took(waiting) -> float:
    """Return how many seconds something took."""
    began_at = time.monotonic()
    await waiting
    return time.monotonic() - began_at


async def test_reads_go_on_without_what_was_kept(shop: Shop, commerce: Downstream) -> None:
    assert (await shop.look(), await shop.look()) == ("fresh", "cached")
    shop.redis.freeze()
    slow = await asyncio.gather(*(took(shop.look(f"c{n}")) for n in range(FAILURES)))
    assert all(CACHE_S * 0.9 <= one < 2 * CACHE_S + 2 for one in slow)
    # It is left alone now: nothing waits for it, and what was kept there is asked for anew.
    assert await took(shop.look()) < CACHE_S / 2
    assert commerce.seen("GET /campaigns/spring") == 2
    assert await shop.available("cache") == 0
    assert shop.told("cache")[-1] is False
    shop.redis.thaw()

    async def kept() -> bool:
        return await shop.look() == "cached"

    await settled(kept, within_s=60)
    assert await shop.available("cache") == 1


async def test_what_needs_the_database_fails_closed_and_soon_at_once(
    shop: Shop, commerce: Downstream
) -> None:
    assert (await shop.send("warm-up")).send_id == "snd-1"
    shop.database.freeze()
    began_at = time.monotonic()
    failures = await asyncio.gather(
        *(failure_of(shop.send(f"campaign-{number}")) for number in range(FAILURES))
    )
    assert DATABASE_S * 0.9 <= time.monotonic() - began_at < DATABASE_S + 5
    began_at = time.monotonic()
    failures.append(await failure_of(shop.send("one-more")))
    assert time.monotonic() - began_at < DATABASE_S / 4
    for failure in failures:
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "STORE_UNAVAILABLE",
        )
        assert failure.retry_delay_s
    assert commerce.stats()["requests"].get("POST /campaigns/one-more/sends") is None
    assert await shop.available("durable") == 0
    assert await shop.health("seawall.store.durable") == NOT_SERVING
    assert await shop.health("") == SERVING
    assert shop.told("durable") == [False]
    # What needs no key is served all the same.
    assert await took(shop.look()) < CACHE_S
    shop.database.thaw()

    async def sent() -> bool:
        code: grpc.StatusCode = await shop.send("after-it").code()
        return code in (grpc.StatusCode.OK, grpc.StatusCode.ALREADY_EXISTS)

    await settled(sent, within_s=60)
    assert commerce.seen("POST /campaigns/after-it/sends") == 1
    assert await shop.available("durable") == 1
    assert await shop.health("seawall.store.durable") == SERVING


async def test_stores_that_die_during_calls_and_come_back_are_used_again(
    shop: Shop, commerce: Downstream
) -> None:
    assert (await shop.look(), (await shop.send("warm-up")).send_id) == ("fresh", "snd-1")
    commerce.set_faults({"latency_s": 1.0})
    reads = [asyncio.ensure_future(shop.look(f"k{n}")) for n in range(5)]
    sends = [asyncio.ensure_future(shop.send(f"k{n}").code()) for n in range(5)]
    await asyncio.sleep(0.5)
    shop.redis.kill()
    shop.database.kill()
    # What was under way is answered, though neither answer can be kept.
    assert await asyncio.gather(*reads) == ["fresh"] * 5
    assert set(await asyncio.gather(*sends)) == {grpc.StatusCode.OK}
    commerce.set_faults()
    for number in range(FAILURES + 1):
        assert await shop.look(f"d{number}") == "fresh"
        failure = await failure_of(shop.send(f"d{number}"))
        assert (failure.code, failure.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "STORE_UNAVAILABLE",
        )
        assert commerce.stats()["requests"].get(f"POST /campaigns/d{number}/sends") is None
    assert (shop.told("cache")[-1], shop.told("durable")[-1]) == (False, False)
    shop.redis.start()
    shop.database.start()

    async def back() -> bool:
        sent: grpc.StatusCode = await shop.send("after-it").code()
        return await shop.look("d0") == "cached" and sent is not grpc.StatusCode.UNAVAILABLE

    await settled(back, within_s=90)
    assert commerce.seen("POST /campaigns/after-it/sends") == 1
    assert (shop.told("cache")[-1], shop.told("durable")[-1]) == (True, True)
    for number in range(5):  # what was sent while the store died is not sent again
        await shop.send(f"k{number}").code()
        assert commerce.seen(f"POST /campaigns/k{number}/sends") == 1


async def test_a_gateway_starts_while_both_are_away_and_says_so(
    commerce: Downstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.yaml").write_text("keys: []\n")
    monkeypatch.setenv("COMMERCE_REDIS", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("COMMERCE_DATABASE", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("COMMERCE_KEYS", str(tmp_path / "keys.yaml"))
    monkeypatch.setenv("COMMERCE_PAYMENT_SECRET", "whsec_4711_0123456789")
    monkeypatch.setenv("COMMERCE_PARCEL_SECRET", "parcel_4711_0123456789")
    text = SHIPPED.read_text().replace("commerce.binpb", str(SHIPPED.with_suffix(".binpb")))
    urls = {"shop": commerce.url, "mailer": commerce.url}
    async with gateway_for(urls, proto=None, config=text, tmp_path=tmp_path) as running:
        told = {e.store for e in running.of(StoreChanged) if not e.available}
        assert told
