"""Methods that are not served, over real sockets: on the record, and told to callers only."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from seawall_client.failure import read_failure
from support.gateways import PROTOS, Running, gateway_for
from support.listeners import listening
from support.upstream import Upstream, json_answer

from gateway.core.events import CallEnded

KEY = "a key of the tests"
IDENTITY = f"""
identity:
  providers:
    keys:
      api_keys: {{keys: [{{caller: ann, sha256: {hashlib.sha256(KEY.encode()).hexdigest()}}}]}}
"""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(json_answer({})) as upstream:
        yield upstream


async def told(channel: grpc.aio.Channel, path: str, *metadata: tuple[str, str]):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(path)(b"", metadata=metadata, timeout=10)
    return read_failure(caught.value)


async def test_they_are_counted_and_logged_under_one_name(upstream: Upstream) -> None:
    async with gateway_for(upstream.url, proto=PROTOS / "shop") as running:
        paths = ["/nobody.Knows/It", "/shop.v1.OrderService/Gett", "/x" * 1000]
        for path in paths:
            failure = await told(running.channel, path)
            assert failure.code is grpc.StatusCode.UNIMPLEMENTED
        ended = running.of(CallEnded)
    assert {(event.call.method.full_name, event.code.name) for event in ended} == {
        ("unknown/unknown", "UNIMPLEMENTED")
    }
    assert len(ended) == len(paths)
    assert all(len(event.outcome.error.message) < 300 for event in ended)
    assert "'nobody.Knows'" in ended[0].outcome.error.message


async def test_without_a_credential_nobody_learns_what_there_is(
    upstream: Upstream, tmp_path: Path
) -> None:
    running: Running
    async with gateway_for(
        upstream.url, proto=PROTOS / "shop", config=IDENTITY, tmp_path=tmp_path
    ) as running:
        for path in ("/shop.v1.OrderService/Gett", "/nobody.Knows/It"):
            failure = await told(running.channel, path)
            assert failure.code is grpc.StatusCode.UNAUTHENTICATED
            assert "Gett" not in failure.message
            known = await told(running.channel, path, ("x-api-key", KEY))
            assert known.code is grpc.StatusCode.UNIMPLEMENTED
        assert running.of(CallEnded)[-1].call.identity.name == "ann"


async def test_an_open_listener_says_it_to_everybody(upstream: Upstream, tmp_path: Path) -> None:
    config = f"""
listeners:
  - {{listen: "127.0.0.1:0"}}
  - {{listen: "localhost:0", services: [grpc.health.v1.Health], auth: NONE}}
{IDENTITY}"""
    codes = []
    async with listening(config, tmp_path, upstream.url) as running:
        for address in running.gateway.addresses:
            async with grpc.aio.insecure_channel(address) as over:
                failure = await told(over, "/shop.v1.OrderService/GetOrder")
                codes.append((failure.code.name, failure.message))
    assert codes[0][0] == "UNAUTHENTICATED"
    assert codes[1] == ("UNIMPLEMENTED", "shop.v1.OrderService is not served on this address")
