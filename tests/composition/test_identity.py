"""Who may call, over real sockets: keys, tokens of a real issuer, the gateway's own services."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jwt.algorithms import ECAlgorithm
from seawall_client.failure import Failure, read_failure
from support.gateways import PROTOS, Running, gateway_for
from support.upstream import Upstream, json_answer

from gateway.core.events import CallEnded, CallRefused

ORDERS = "/shop.v1.OrderService"
ADMIN, USER = "sw-test-key-of-the-admin-0001", "sw-test-key-of-the-user-00002"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


KEYS = f"""
identity:
  providers:
    keys:
      api_keys:
        keys:
          - {{caller: boss, sha256: {digest(ADMIN)}, roles: [admin]}}
          - {{caller: user, sha256: {digest(USER)}}}
services:
  shop.v1.OrderService:
    methods:
      DeleteOrder: {{auth: {{roles: [admin]}}}}
      GetOrder: {{auth: {{mode: OPTIONAL}}}}
      ListOrders: {{auth: {{mode: NONE}}}}
  grpc.health.v1.Health: {{policy: {{auth: {{mode: NONE}}}}}}
admin: {{enabled: true}}
"""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(json_answer({})) as upstream:
        yield upstream


@pytest.fixture
async def keyed(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Running]:
    async with gateway_for(
        upstream.url, proto=PROTOS / "shop", config=KEYS, tmp_path=tmp_path
    ) as running:
        yield running


async def ask(
    running: Running, path: str, *metadata: tuple[str, str], request: bytes = b"\n\x011"
) -> Failure | None:
    """Return why a call fails, None where it does not."""
    try:
        await running.channel.unary_unary(path)(request, metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return read_failure(error)
    return None


async def refused(running: Running, path: str, *metadata: tuple[str, str], **more: Any) -> Failure:
    failure = await ask(running, path, *metadata, **more)
    assert failure is not None
    return failure


async def test_without_a_credential_nothing_is_answered_that_does_not_say_so(
    keyed: Running, upstream: Upstream
) -> None:
    paths = [
        f"{ORDERS}/CancelOrder",
        f"{ORDERS}/DeleteOrder",
        "/seawall.admin.v1.AdminService/ListUpstreams",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ]
    for path in paths:
        failure = await refused(keyed, path, request=b"")
        assert failure.code is grpc.StatusCode.UNAUTHENTICATED, path
        assert failure.reason == "UNAUTHENTICATED"
        assert "x-api-key" in failure.message
    assert upstream.requests == []


async def test_streams_need_one_too(keyed: Running, upstream: Upstream) -> None:
    call = keyed.channel.unary_stream(f"{ORDERS}/WatchOrders")(b"", timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in call:
            pass
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert upstream.requests == []


async def test_a_key_opens_and_a_role_opens_more(keyed: Running) -> None:
    assert await ask(keyed, f"{ORDERS}/CancelOrder", ("x-api-key", USER)) is None
    failure = await refused(keyed, f"{ORDERS}/DeleteOrder", ("x-api-key", USER))
    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    assert keyed.of(CallEnded)[-1].call.identity.name == "user"  # the log says who tried
    assert "admin" in failure.message
    assert await ask(keyed, f"{ORDERS}/DeleteOrder", ("x-api-key", ADMIN)) is None


async def test_a_credential_that_is_sent_must_be_right(keyed: Running) -> None:
    assert await ask(keyed, f"{ORDERS}/GetOrder") is None  # OPTIONAL
    failure = await refused(keyed, f"{ORDERS}/GetOrder", ("x-api-key", "wrong"))
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    assert await ask(keyed, f"{ORDERS}/ListOrders", ("x-api-key", "wrong"), request=b"") is None


async def test_health_is_open_where_it_says_so(keyed: Running) -> None:
    answer = await health_pb2_grpc.HealthStub(keyed.channel).Check(
        health_pb2.HealthCheckRequest(), timeout=10
    )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_key_of_the_gateway_is_not_sent_on(keyed: Running, upstream: Upstream) -> None:
    await ask(keyed, f"{ORDERS}/CancelOrder", ("x-api-key", USER))
    assert [USER in str(headers) for headers in upstream.headers] == [False]


async def test_calls_know_who_made_them_and_refusals_are_events(keyed: Running) -> None:
    await ask(keyed, f"{ORDERS}/CancelOrder", ("x-api-key", USER))
    await ask(keyed, f"{ORDERS}/CancelOrder", ("x-api-key", "wrong"))
    known, unknown = keyed.of(CallEnded)
    assert known.call.identity.key == "keys:user"
    assert unknown.call.identity is None
    assert [event.mechanism for event in keyed.of(CallRefused)] == ["auth"]


# Tokens


class Issuer:
    """Signs tokens, and serves its keys."""

    def __init__(self) -> None:
        self.keys = {"one": generate_private_key(SECP256R1())}
        self.asked = 0
        self.down = False

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if self.down:
            return web.Response(status=503)
        known = [
            ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"}
            for kid, key in self.keys.items()
        ]
        return web.json_response({"keys": known})

    def token(self, kid: str = "one", **claims: Any) -> str:
        now = int(time.time())
        said = {"iss": "house", "aud": "shop", "sub": "ann", "exp": now + 60} | claims
        return jwt.encode(said, self.keys[kid], algorithm="ES256", headers={"kid": kid})


@pytest.fixture
async def issuer() -> AsyncIterator[tuple[Issuer, str]]:
    made = Issuer()
    async with Upstream(made.answer) as server:
        yield made, f"{server.url}/keys?set=1"


def tokens(url: str) -> str:
    return f"""
identity:
  providers:
    house:
      jwt: {{issuer: house, audiences: [shop], jwks_url: "{url}", min_refresh_interval: 0.1s}}
services:
  shop.v1.OrderService: {{methods: {{DeleteOrder: {{auth: {{roles: [admin]}}}}}}}}
"""


def bearer(token: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {token}")


async def test_tokens_of_a_real_issuer_are_taken_and_forwarded(
    issuer: tuple[Issuer, str], upstream: Upstream, tmp_path: Path
) -> None:
    made, url = issuer
    more = {"config": tokens(url), "tmp_path": tmp_path}
    async with gateway_for(upstream.url, proto=PROTOS / "shop", **more) as running:
        token = made.token()
        for _ in range(3):
            assert await ask(running, f"{ORDERS}/GetOrder", bearer(token)) is None
        assert made.asked == 1
        assert upstream.headers[0]["authorization"] == f"Bearer {token}"
        assert (
            await ask(running, f"{ORDERS}/DeleteOrder", bearer(made.token(roles=["admin"]))) is None
        )
        failure = await refused(running, f"{ORDERS}/GetOrder", bearer(made.token(aud="other")))
        assert failure.code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_new_key_of_the_issuer_is_asked_for_once(
    issuer: tuple[Issuer, str], upstream: Upstream, tmp_path: Path
) -> None:
    made, url = issuer
    more = {"config": tokens(url), "tmp_path": tmp_path}
    async with gateway_for(upstream.url, proto=PROTOS / "shop", **more) as running:
        assert await ask(running, f"{ORDERS}/GetOrder", bearer(made.token())) is None
        made.keys["two"] = generate_private_key(SECP256R1())
        await asyncio.sleep(0.15)  # the least time between two questions
        answers: Sequence[Failure | None] = await asyncio.gather(
            *(ask(running, f"{ORDERS}/GetOrder", bearer(made.token("two"))) for _ in range(20))
        )
        assert list(answers) == [None] * 20
        assert made.asked == 2


async def test_an_issuer_that_is_down_stops_no_start_and_is_told(
    issuer: tuple[Issuer, str], upstream: Upstream, tmp_path: Path
) -> None:
    made, url = issuer
    made.down = True
    more = {"config": tokens(url), "tmp_path": tmp_path}
    async with gateway_for(upstream.url, proto=PROTOS / "shop", **more) as running:
        failure = await refused(running, f"{ORDERS}/GetOrder", bearer(made.token()))
        assert failure.code is grpc.StatusCode.UNAVAILABLE
        assert failure.reason == "IDENTITY_UNAVAILABLE"
        assert failure.should_retry
        made.down = False
        for _ in range(100):
            if await ask(running, f"{ORDERS}/GetOrder", bearer(made.token())) is None:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("it never came back")
