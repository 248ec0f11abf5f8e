"""A real Envoy asks the gateway for its limits."""

import asyncio
import hashlib
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from support.gateways import PROTOS, gateway_for
from support.upstream import Upstream, json_answer

from bench.contenders.envoy import find_envoy
from bench.processes import free_port
from gateway.ingress.rate_limit_service.messages import Request, Response

ENVOY = string.Template(Path(__file__).with_name("envoy_limits.yaml").read_text())
KEY = "an-api-key-of-the-house-of-envoys"
CONFIG = """
identity:
  providers:
    keys:
      api_keys: {{keys: [{{caller: envoy, sha256: {sha256}}}]}}
rate_limit_service:
  enabled: true
  domains:
    edge:
      limits:
        - name: tenant
          entries: [{{key: path}}, {{key: tenant}}]
          limit: {{requests: 3, per: 3600s}}
"""


@asynccontextmanager
async def envoy_over(shop: str, limits: str, key: str) -> AsyncIterator[str]:
    found = find_envoy()
    if found is None:
        pytest.skip("Envoy is not installed: there is none for this machine on PyPI")
    port = free_port()
    text = ENVOY.substitute(
        port=port, key=key, shop=shop.rpartition(":")[2], limits=limits.rpartition(":")[2]
    )
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    process = await asyncio.create_subprocess_exec(found, "--config-yaml", text, *options)
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def statuses(envoy: str, count: int, tenant: str) -> list[tuple[int, str]]:
    async with aiohttp.ClientSession() as session:
        found = []
        for _ in range(count):
            async with session.get(f"{envoy}/orders", headers={"x-tenant": tenant}) as answer:
                found.append((answer.status, answer.headers.get("x-ratelimit-remaining", "")))
        return found


def config_for(key: str) -> str:
    return CONFIG.format(sha256=hashlib.sha256(key.encode()).hexdigest())


async def test_envoy_lets_as_many_through_as_the_gateway_says(tmp_path: Path) -> None:
    async with Upstream(json_answer({})) as upstream:
        more = {"config": config_for(KEY), "tmp_path": tmp_path}
        async with gateway_for(upstream.url, proto=PROTOS / "shop", **more) as running:
            async with envoy_over(upstream.url, running.gateway.address, KEY) as envoy:
                found = await statuses(envoy, 5, "a")
                assert [status for status, _ in found] == [200, 200, 200, 429, 429]
                assert [left for _, left in found[:3]] == ["2", "1", "0"]
                assert [status for status, _ in await statuses(envoy, 1, "b")] == [200]
            # Whoever else speaks the protocol has the same counts.
            ask = running.channel.unary_unary(
                "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
                Request.SerializeToString,
                Response.FromString,
            )
            entries = [{"key": "path", "value": "/orders"}, {"key": "tenant", "value": "a"}]
            request = Request(domain="edge", descriptors=[{"entries": entries}])
            answer = await ask(request, metadata=[("x-api-key", KEY)])
            assert answer.overall_code == 2  # OVER_LIMIT


async def test_an_envoy_without_the_key_is_not_answered(tmp_path: Path) -> None:
    async with Upstream(json_answer({})) as upstream:
        more = {"config": config_for(KEY), "tmp_path": tmp_path}
        async with gateway_for(upstream.url, proto=PROTOS / "shop", **more) as running:
            async with envoy_over(upstream.url, running.gateway.address, "wrong") as envoy:
                assert [status for status, _ in await statuses(envoy, 1, "a")] == [500]
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await running.channel.unary_unary(
                    "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
                )(b"")
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
