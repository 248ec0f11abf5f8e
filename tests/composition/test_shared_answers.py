"""Caches, coalescing and batches from callers to a real HTTP server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from seawall.admin.v1 import admin_pb2, admin_pb2_grpc
from support.gateways import Running, gateway_for
from support.upstream import Upstream

PROTO = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Items {
  rpc Get(GetItem) returns (Item) { option (google.api.http) = {get: "/items/{id}"}; }
  rpc BatchGet(BatchGetItems) returns (Items_) { option (google.api.http) = {get: "/items"}; }
  rpc Put(Item) returns (Item) { option (google.api.http) = {put: "/items/{id}" body: "*"}; }
  rpc Make(Item) returns (Item) { option (google.api.http) = {post: "/items" body: "*"}; }
}
message GetItem { string id = 1; string lang = 2; }
message BatchGetItems { repeated string ids = 1; string lang = 2; }
message Item { string id = 1; int32 version = 2; string lang = 3; }
message Items_ { repeated Item items = 1; }
"""


class Shop:
    """A server of items, each with a version that grows when it is written."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = 200
        self.headers: dict[str, str] = {}
        self.http = Upstream(self._answer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path
        self.asked.append(f"{request.method} {request.rel_url}")
        await self.gate.wait()
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        if path == "/items" and request.method == "GET":
            ids = request.rel_url.query.getall("ids")
            return web.json_response({"items": [self._item(one) for one in ids if one != "none"]})
        if path == "/items":
            self.versions["new"] = self.versions.get("new", 0) + 1
            return web.json_response(self._item("new"))
        name = path.rpartition("/")[2]
        if request.method == "PUT":
            self.versions[name] = self.versions.get(name, 0) + 1
        headers = dict(self.headers)
        if "etag" in headers:
            headers["etag"] = f'"{self.versions.get(name, 0)}"'
            if request.headers.get("if-none-match") == headers["etag"]:
                return web.Response(status=304)
        return web.json_response(self._item(name), headers=headers)

    def _item(self, name: str) -> dict[str, Any]:
        return {"id": name, "version": self.versions.get(name, 0)}


@dataclass
class World:
    gateway: Running
    shop: Shop

    async def get(self, name: str = "a", **metadata: str) -> tuple[int, dict[str, str]]:
        """Return an item's version, and what was told behind it."""
        pairs = tuple((key.replace("_", "-"), value) for key, value in metadata.items())
        call = self.gateway.channel.unary_unary("/shop.v1.Items/Get")(
            message(1, name), metadata=pairs, timeout=5
        )
        answer = await call
        told = {str(k): str(v) for k, v in await call.trailing_metadata()}
        return version(answer), told

    async def call(self, method: str, name: str = "a") -> bytes:
        ask = self.gateway.channel.unary_unary(f"/shop.v1.Items/{method}")
        answer: bytes = await ask(message(1, name), timeout=5)
        return answer


def message(number: int, text: str) -> bytes:
    return bytes((number << 3 | 2, len(text))) + text.encode()


def version(answer: bytes) -> int:
    """Return field 2 of an item, which is small."""
    at = answer.find(b"\x10")
    return answer[at + 1] if at >= 0 else 0


@asynccontextmanager
async def world(tmp_path: Path, methods: str, more: str = "") -> AsyncIterator[World]:
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "shop.proto").write_text(PROTO)
    shop = Shop()
    config = f"services: {{shop.v1.Items: {{methods: {{{methods}}}}}}}\n{more}\n"
    async with shop.http:
        async with gateway_for(
            shop.http.url, proto=protos, config=config, tmp_path=tmp_path
        ) as gateway:
            yield World(gateway, shop)


async def test_an_answer_is_kept_and_a_write_makes_it_old(tmp_path: Path) -> None:
    methods = (
        "Get: {cache: {ttl: 60s, tags: ['item:{id}']}}, Put: {invalidation: {tags: ['item:{id}']}}"
    )
    async with world(tmp_path, methods) as here:
        assert await here.get() == (0, {"seawall-cache": "fresh", "age": "0"})
        assert await here.get() == (0, {"seawall-cache": "cached", "age": "0"})
        await here.get("b")
        await here.call("Put")
        assert await here.get() == (1, {"seawall-cache": "fresh", "age": "0"})
        assert (await here.get("b"))[1]["seawall-cache"] == "cached"
        assert here.shop.asked == [
            "GET /items/a", "GET /items/b", "PUT /items/a", "GET /items/a",
        ]  # fmt: skip


async def test_callers_share_only_with_the_same_credential(tmp_path: Path) -> None:
    async with world(tmp_path, "Get: {cache: {ttl: 60s}}") as here:
        await here.get(authorization="Bearer alice")
        await here.get(authorization="Bearer bob")
        await here.get(authorization="Bearer alice", traceparent="00-" + "1" * 32 + "-" + "1" * 16)
        assert len(here.shop.asked) == 2


async def test_where_the_answer_does_not_depend_on_the_caller_all_share(tmp_path: Path) -> None:
    async with world(tmp_path, "Get: {cache: {ttl: 60s, shared: true}}") as here:
        await here.get(authorization="Bearer alice")
        await here.get(authorization="Bearer bob")
        assert len(here.shop.asked) == 1


async def test_a_dead_upstream_still_has_its_stale_answer(tmp_path: Path) -> None:
    methods = "Get: {cache: {ttl: 0.05s, stale_if_error: 60s, jitter: 0}, retry: {disabled: true}}"
    async with world(tmp_path, methods) as here:
        await here.get()
        await asyncio.sleep(0.06)
        here.shop.status = 503
        _, told = await here.get()
        assert told["seawall-cache"] == "stale"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await here.get("b")
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_stale_is_served_while_it_is_asked_for_anew(tmp_path: Path) -> None:
    methods = "Get: {cache: {ttl: 0.05s, stale_while_revalidate: 60s, jitter: 0}}"
    async with world(tmp_path, methods) as here:
        await here.get()
        await asyncio.sleep(0.06)
        here.shop.versions["a"] = 7
        here.shop.gate.clear()
        found = await asyncio.gather(*(here.get() for _ in range(20)))
        assert {(number, told["seawall-cache"]) for number, told in found} == {(0, "stale")}
        here.shop.gate.set()
        for _ in range(100):
            number, _ = await here.get()
            if number == 7:
                break
            await asyncio.sleep(0.01)
        assert len(here.shop.asked) <= 3, "asked once, however many were served stale"


async def test_an_etag_saves_the_answer(tmp_path: Path) -> None:
    async with world(tmp_path, "Get: {cache: {ttl: 0.05s, jitter: 0}}") as here:
        here.shop.headers = {"etag": ""}
        await here.get()
        await asyncio.sleep(0.06)
        number, told = await here.get()
        assert (number, told["seawall-cache"]) == (0, "fresh")
        assert here.shop.http.headers[-1]["if-none-match"] == '"0"'
        here.shop.versions["a"] = 3
        await asyncio.sleep(0.06)
        assert (await here.get())[0] == 3


async def test_ten_callers_within_the_window_make_one_call(tmp_path: Path) -> None:
    async with world(tmp_path, "Get: {coalescing: {window: 5s}}") as here:
        found = await asyncio.gather(*(here.get() for _ in range(5)))
        found += await asyncio.gather(*(here.get() for _ in range(5)))
        assert len(here.shop.asked) == 1
        assert sum("seawall-coalesced" in told for _, told in found) == 9


async def test_after_a_write_a_read_joins_nothing_from_before_it(tmp_path: Path) -> None:
    methods = (
        "Get: {coalescing: {window: 60s, after_write: ['item:{id}']}}, "
        "Put: {invalidation: {tags: ['item:{id}']}}"
    )
    async with world(tmp_path, methods) as here:
        assert (await here.get())[0] == 0
        await here.call("Put")
        assert (await here.get())[0] == 1


async def test_single_reads_are_one_bulk_call(tmp_path: Path) -> None:
    methods = (
        "Get: {batch: {window: 0.05s, method: shop.v1.Items/BatchGet, key: id, keys: ids, "
        "items: items, item_key: id}}"
    )
    async with world(tmp_path, methods) as here:
        here.shop.versions.update({"a": 1, "b": 2, "c": 3})
        found = await asyncio.gather(
            *(here.get(name) for name in ("a", "b", "c", "b", "none")), return_exceptions=True
        )
        assert [one[0] for one in found[:4]] == [1, 2, 3, 2]  # type: ignore[index]
        missing = found[4]
        assert isinstance(missing, grpc.aio.AioRpcError)
        assert missing.code() is grpc.StatusCode.NOT_FOUND
        (query,) = [asked.partition("?")[2].split("&") for asked in here.shop.asked]
        assert sorted(query) == ["ids=a", "ids=b", "ids=c", "ids=none"]


async def test_explain_names_what_is_on(tmp_path: Path) -> None:
    async with world(tmp_path, "Get: {cache: {ttl: 60s}, coalescing: {window: 1s}}") as here:
        shape = here.gateway.gateway.dispatch.find("/shop.v1.Items/Get").shape
        assert shape.index("cache") < shape.index("coalesce") < shape.index("retry")
        assert "deduplicate" not in shape
        made = here.gateway.gateway.dispatch.find("/shop.v1.Items/Make").shape
        assert "deduplicate" in made
        assert json.dumps(shape)


async def test_an_operator_makes_answers_old_by_tag_or_all_of_them(tmp_path: Path) -> None:
    methods = "Get: {cache: {ttl: 60s, tags: ['item:{id}']}}"
    async with world(tmp_path, methods, "admin: {enabled: true}") as here:
        admin = admin_pb2_grpc.AdminServiceStub(here.gateway.channel)

        async def states() -> list[str]:
            return [(await here.get(name))[1]["seawall-cache"] for name in ("a", "b")]

        await states()
        await admin.PurgeCache(admin_pb2.PurgeCacheRequest(tags=["item:a", "item:x"]))
        assert await states() == ["fresh", "cached"]
        await admin.PurgeCache(admin_pb2.PurgeCacheRequest(all=True))
        assert await states() == ["fresh", "fresh"]
        assert await states() == ["cached", "cached"]


@pytest.mark.parametrize(
    ("request_of", "methods", "code", "told"),
    [
        ({}, "Get: {cache: {ttl: 60s}}", "INVALID_ARGUMENT", "say either tags or all"),
        ({"tags": ["a"], "all": True}, "Get: {cache: {ttl: 60s}}", "INVALID_ARGUMENT", "either"),
        ({"tags": [""]}, "Get: {cache: {ttl: 60s}}", "INVALID_ARGUMENT", "1 to 1000"),
        ({"tags": ["a"] * 101}, "Get: {cache: {ttl: 60s}}", "INVALID_ARGUMENT", "at most 100"),
        ({"all": True}, "", "FAILED_PRECONDITION", "no answers are kept"),
    ],
)
async def test_what_cannot_be_purged_is_told(
    request_of: dict[str, Any], methods: str, code: str, told: str, tmp_path: Path
) -> None:
    async with world(tmp_path, methods, "admin: {enabled: true}") as here:
        admin = admin_pb2_grpc.AdminServiceStub(here.gateway.channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await admin.PurgeCache(admin_pb2.PurgeCacheRequest(**request_of))
        assert raised.value.code().name == code
        assert told in str(raised.value.details())
