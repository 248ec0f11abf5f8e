"""The same request over another upstream is that upstream's: its headers, query and name."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from support.gateways import Running, gateway_for
from support.upstream import Upstream, json_answer

PROTO = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Orders {
  rpc Get(Order) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
  rpc Place(Order) returns (Order) {
    option (google.api.http) = {post: "/v1/orders" body: "*"};
  }
}
message Order { string id = 1; }
"""
CONFIG = """
state: {durable: "sqlite:///{db}"}
upstreams:
  main:
    methods: {headers: {set: {x-api-key: of-main, x-main: "1"}}, retry: {disabled: true}}
  spare:
    methods:
      headers: {set: {x-api-key: of-spare}}
      request: {query: {region: eu}}
      json: {response_root: data}
      retry: {disabled: true}
services:
  shop.v1.Orders:
    policy: {upstream: main, fallback: {steps: [{upstream: spare}]}}
"""
ORDER = b"\n\x011"


async def _unavailable(_request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({}, status=503)


class Shop:
    def __init__(self, main: Upstream, spare: Upstream, gateway: Running) -> None:
        self.main, self.spare = main, spare
        self._get = gateway.channel.unary_unary("/shop.v1.Orders/Get")
        self.place = gateway.channel.unary_unary("/shop.v1.Orders/Place")

    async def get(self, timeout_s: float = 5.0) -> bytes:
        answer: bytes = await self._get(ORDER, timeout=timeout_s)
        return answer


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "shop.proto").write_text(PROTO)
    answers = json_answer({"data": {"id": "1"}})
    async with Upstream(_unavailable) as main, Upstream(answers) as spare:
        urls = {"main": main.url, "spare": spare.url}
        config = CONFIG.replace("{db}", str(tmp_path / "seawall.db"))
        async with gateway_for(urls, proto=protos, config=config, tmp_path=tmp_path) as gateway:
            yield Shop(main, spare, gateway)


async def test_an_upstream_is_never_sent_the_fixed_headers_of_another(shop: Shop) -> None:
    assert await shop.get() == ORDER
    (first,), (second,) = shop.main.headers, shop.spare.headers
    assert (first["x-api-key"], first["x-main"]) == ("of-main", "1")
    assert second["x-api-key"] == "of-spare"
    assert "x-main" not in second


async def test_a_spare_upstream_is_asked_and_read_as_its_own_policy_says(shop: Shop) -> None:
    assert await shop.get() == ORDER  # read from "data", which only the spare one has
    assert shop.main.requests == ["GET /v1/orders/1"]
    assert shop.spare.requests == ["GET /v1/orders/1?region=eu"]


async def test_a_spare_upstream_that_is_slow_is_told_by_its_own_name(shop: Shop) -> None:
    async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    shop.spare.handler = hangs
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await shop.get(timeout_s=0.4)
    told = raised.value.details()
    assert told is not None
    assert "upstream 'main' answered 503" in told
    assert "upstream 'spare' did not answer within" in told


async def test_a_spare_upstream_is_sent_the_callers_idempotency_key(shop: Shop) -> None:
    key = (("idempotency-key", "k1"),)
    with pytest.raises(grpc.aio.AioRpcError):  # a 503 to a POST may have had its effect
        await shop.place(ORDER, metadata=key, timeout=5)
    assert shop.spare.headers == []

    async def refuses(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, status=429)

    shop.main.handler = refuses
    await shop.place(ORDER, metadata=(("idempotency-key", "k2"),), timeout=5)
    first, second = shop.main.headers[-1], shop.spare.headers[-1]
    assert first["idempotency-key"] == second["idempotency-key"] == "k2"
