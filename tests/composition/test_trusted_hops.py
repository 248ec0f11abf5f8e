"""Who is behind which proxies, a listener each."""

from pathlib import Path

import grpc
from support.listeners import listening
from support.upstream import Upstream, json_answer


async def test_each_listener_trusts_the_proxies_before_it(tmp_path: Path) -> None:
    config = """
connections: {trusted_hops: 1}
listeners:
  - {listen: "127.0.0.1:0"}
  - {listen: "localhost:0", trusted_hops: 0}
services:
  shop.v1.OrderService: {policy: {rate_limits: {a: {requests: 1, by: [peer]}}}}
"""
    found = []
    async with (
        Upstream(json_answer({})) as upstream,
        listening(config, tmp_path, upstream.url) as running,
    ):
        for address in running.gateway.addresses:
            async with grpc.aio.insecure_channel(address) as over:
                call = over.unary_unary("/shop.v1.OrderService/GetOrder")
                for i in range(3):
                    metadata = (("x-forwarded-for", f"9.9.9.{i}"),)
                    try:
                        await call(b"\n\x011", metadata=metadata, timeout=10)
                        found.append("OK")
                    except grpc.aio.AioRpcError as error:
                        found.append(error.code().name)
    refused = "RESOURCE_EXHAUSTED"
    assert found == ["OK", "OK", "OK", "OK", refused, refused]
