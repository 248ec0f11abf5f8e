"""Whose credential an upstream is sent, from a caller's metadata to a real HTTP server."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import grpc
import pytest
from aiohttp import web
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.gateways import Running, gateway_for, run_seawall
from support.upstream import Upstream, json_answer

from gateway.core.events import AttemptEnded, BreakerChanged, CallRefused

PROTO = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Orders {
  rpc Get(Order) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
}
message Order { string id = 1; }
"""
ORDER = b"\n\x011"
ALICE = (("authorization", "Bearer alice"),)
ANSWER = json_answer({"id": "1"})


class Tokens:
    """An authorization server: a numbered token for each question."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.status = 200
        self.hold: asyncio.Event | None = None
        self.http = Upstream(self._answer)

    async def _answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        form = dict(parse_qsl(self.http.bodies[-1].decode()))
        self.forms.append(form)
        number = len(self.forms)
        if self.hold is not None:
            await self.hold.wait()
        token = f"{form.get('subject_token', 'own')}-{number}"
        body = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        return web.json_response(body, status=self.status)


@dataclass
class Shop:
    gateway: Running
    upstream: Upstream

    async def get(self, metadata=ALICE, timeout_s: float = 5.0) -> bytes:
        call = self.gateway.channel.unary_unary("/shop.v1.Orders/Get")
        answer: bytes = await call(ORDER, metadata=metadata, timeout=timeout_s)
        return answer

    async def failure(self, metadata=ALICE, timeout_s: float = 5.0) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.get(metadata, timeout_s)
        return raised.value

    def sent(self, header: str = "authorization") -> list[str | None]:
        return [headers.get(header) for headers in self.upstream.headers]


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert next(d for d in status.details if d.Is(info.DESCRIPTOR)).Unpack(info)
    return info.reason


@asynccontextmanager
async def shop_with(
    tmp_path: Path, credentials: str, *, methods: str = "{}", policy: str = "", handler=ANSWER
) -> AsyncIterator[Shop]:
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "shop.proto").write_text(PROTO)
    more = f", {policy}" if policy else ""
    config = f"defaults: {{upstream: {{credentials: {credentials}{more}}}, method: {methods}}}\n"
    async with Upstream(handler) as upstream:
        async with gateway_for(
            upstream.url, proto=protos, config=config, tmp_path=tmp_path
        ) as gateway:
            yield Shop(gateway, upstream)


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    made = Tokens()
    async with made.http:
        yield made


def oauth2(tokens: Tokens, more: str = "") -> str:
    return (
        f"oauth2: {{token_url: '{tokens.http.url}/token', client_id: gateway, "
        f"client_secret: hunter2{more}}}"
    )


async def test_a_caller_s_credential_is_forwarded_where_nobody_says_otherwise(tmp_path):
    async with shop_with(tmp_path, "{}") as shop:
        await shop.get()
        assert shop.sent() == ["Bearer alice"]


async def test_it_is_stripped_and_the_upstream_s_own_is_sent_instead(tmp_path):
    async with shop_with(tmp_path, "{bearer_token: own}") as shop:
        await shop.get()
        await shop.get(())
        assert shop.sent() == ["Bearer own", "Bearer own"]


async def test_it_is_stripped_where_there_is_nothing_else_to_send(tmp_path):
    async with shop_with(tmp_path, "{caller: STRIP}") as shop:
        await shop.get()
        assert shop.sent() == [None]


async def test_a_key_of_the_upstream_s_own_is_not_the_caller_s(tmp_path):
    methods = "{headers: {forward_request: [authorization, x-api-key, x-request-id]}}"
    async with shop_with(tmp_path, "{headers: {X-Api-Key: own}}", methods=methods) as shop:
        await shop.get((*ALICE, ("x-api-key", "mine"), ("x-request-id", "1")))
        assert shop.sent("x-api-key") == ["own"]
        assert shop.sent() == [None]
        assert shop.sent("x-request-id") == ["1"]


async def test_who_forwards_never_lends_its_own_to_a_caller_without_one(tmp_path):
    async with shop_with(tmp_path, "{caller: FORWARD, bearer_token: own}") as shop:
        await shop.get()
        await shop.get(())
        assert shop.sent() == ["Bearer alice", None]


async def test_a_fallback_upstream_gets_no_caller_s_credential(tmp_path):
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "shop.proto").write_text(PROTO)
    config = (
        "services: {shop.v1.Orders: {policy: {upstream: main, "
        "retry: {disabled: true}, fallback: {steps: [{upstream: spare}]}}}}\n"
    )
    async with Upstream(json_answer({}, status=503)) as main, Upstream(ANSWER) as spare:
        urls = {"main": main.url, "spare": spare.url}
        async with gateway_for(urls, proto=protos, config=config, tmp_path=tmp_path) as gateway:
            assert await Shop(gateway, spare).get() == ORDER
    assert main.headers[0]["authorization"] == "Bearer alice"
    assert "authorization" not in spare.headers[0]


async def test_a_token_is_asked_for_once_and_sent_with_every_call(tmp_path, tokens):
    async with shop_with(tmp_path, f"{{{oauth2(tokens)}}}") as shop:
        await asyncio.gather(*(shop.get() for _ in range(5)))
        assert shop.sent() == ["Bearer own-1"] * 5
        assert len(tokens.forms) == 1


async def test_a_caller_s_token_is_exchanged(tmp_path, tokens):
    async with shop_with(tmp_path, f"{{caller: EXCHANGE, {oauth2(tokens)}}}") as shop:
        await shop.get()
        await shop.get()
        await shop.get((("authorization", "Bearer bob"),))
        assert shop.sent() == ["Bearer alice-1", "Bearer alice-1", "Bearer bob-2"]
        error = await shop.failure(())
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reason_of(error) == "UNAUTHENTICATED"
        assert len(shop.upstream.requests) == 3


async def test_without_a_token_nothing_is_sent_and_no_breaker_hears_of_it(tmp_path, tokens):
    tokens.status = 500
    breaker = "breaker: {consecutive_failures: 1}"
    async with shop_with(tmp_path, f"{{{oauth2(tokens)}}}", policy=breaker) as shop:
        errors = [await shop.failure() for _ in range(5)]
        assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
        assert {reason_of(error) for error in errors} == {"CREDENTIAL_UNAVAILABLE"}
        assert shop.upstream.requests == []
        assert len(tokens.forms) == 1  # a server that fails is not asked with every call
        assert shop.gateway.of(BreakerChanged) == []
        assert shop.gateway.of(AttemptEnded) == []
        assert {event.mechanism for event in shop.gateway.of(CallRefused)} == {"credentials"}
        assert "hunter2" not in "".join(str(error.details()) for error in errors)
        assert "hunter2" not in str(shop.gateway.events)


async def test_a_token_server_that_hangs_ends_at_the_call_s_deadline(tmp_path, tokens):
    tokens.hold = asyncio.Event()
    async with shop_with(tmp_path, f"{{{oauth2(tokens)}}}") as shop:
        error = await shop.failure(timeout_s=0.3)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        tokens.hold.set()
        assert await shop.get() == ORDER  # the question went on
        assert len(tokens.forms) == 1


async def test_a_token_that_is_not_accepted_is_replaced_for_the_next_attempt(tmp_path, tokens):
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        accepted = request.headers.get("authorization") == "Bearer own-2"
        return web.json_response({"id": "1"} if accepted else {}, status=200 if accepted else 401)

    retried = "{retry: {retryable_http_statuses: [401]}}"
    async with shop_with(
        tmp_path, f"{{{oauth2(tokens)}}}", methods=retried, handler=handle
    ) as shop:
        assert await shop.get() == ORDER
        assert shop.sent() == ["Bearer own-1", "Bearer own-2"]


async def test_health_checks_are_sent_the_upstream_s_own(tmp_path, tokens):
    health = "health_check: {path: /healthz, interval: 0.05s}"
    async with shop_with(
        tmp_path, f"{{caller: EXCHANGE, {oauth2(tokens)}}}", policy=health
    ) as shop:
        async with asyncio.timeout(5):
            while len(shop.upstream.requests) < 2:
                await asyncio.sleep(0.01)
        assert set(shop.sent()) == {"Bearer own-1"}


def test_explain_shows_no_secret(tmp_path):
    (tmp_path / "shop.proto").write_text(PROTO)
    config = tmp_path / "seawall.yaml"
    for credentials in (
        "{bearer_token: '${KEY}'}",
        "{basic: {username: u, password: '${KEY}'}}",
        "{headers: {x-app: '${KEY}'}}",
        "{oauth2: {token_url: 'https://a/t', client_id: u, client_secret: '${KEY}'}}",
    ):
        config.write_text(f"defaults: {{upstream: {{credentials: {credentials}}}}}\n")
        for form in ((), ("-f", "json")):
            done = run_seawall(
                *("explain", "shop.v1.Orders/Get", "--proto", str(tmp_path)),
                *("--config", str(config), "--upstream", "https://orders", *form),
                KEY="hunter2",
            )
            assert done.returncode == 0, done.stderr
            assert "hunter2" not in done.stdout + done.stderr
            assert "(hidden)" in done.stdout
            if form:
                json.loads(done.stdout)


SEVERAL = (
    ("authorization", "Bearer alice"),
    ("x-api-key", "mine"),
    ("x-auth-token", "mine"),
    ("x-request-id", "1"),
)
FORWARDED = "headers: {forward_request: [authorization, x-api-key, x-auth-token, x-request-id]}"


@pytest.mark.parametrize(
    ("step", "spare", "gets"),
    [
        ("upstream: spare", "{}", False),
        ("upstream: spare", "{caller: FORWARD}", True),
        ("method: shop.v1.Orders/Spare", "{}", False),
        ("method: shop.v1.Orders/Spare", "{caller: FORWARD}", True),
        ("method: shop.v1.Orders/Other", "{}", True),
    ],
)
async def test_a_fallback_of_another_upstream_gets_callers_credentials_where_it_says_so_only(
    step: str, spare: str, gets: bool, tmp_path: Path
) -> None:
    protos = tmp_path / "protos"
    protos.mkdir()
    more = "".join(
        f"  rpc {name}(Order) returns (Order) "
        f'{{ option (google.api.http) = {{get: "/{name}/{{id}}"}}; }}\n'
        for name in ("Spare", "Other")
    )
    (protos / "shop.proto").write_text(
        PROTO.replace("service Orders {\n", "service Orders {\n" + more)
    )
    config = (
        f"defaults: {{method: {{{FORWARDED}, retry: {{disabled: true}}}}}}\n"
        f"upstreams: {{spare: {{policy: {{credentials: {spare}}}}}}}\n"
        "services: {shop.v1.Orders: {policy: {upstream: main}, methods: {"
        f"Get: {{fallback: {{steps: [{{{step}}}]}}}}, Spare: {{upstream: spare}}}}}}}}\n"
    )

    async def main_answer(request: Any) -> Any:
        status = 200 if request.path.startswith("/Other") else 503
        return await json_answer({}, status=status)(request)

    async with Upstream(main_answer) as main, Upstream(ANSWER) as other:
        urls = {"main": main.url, "spare": other.url}
        async with gateway_for(urls, proto=protos, config=config, tmp_path=tmp_path) as gateway:
            await Shop(gateway, other).get(SEVERAL)
    sent = (other if other.headers else main).headers[-1]
    found = {name: sent.get(name) for name, _ in SEVERAL}
    assert found["x-request-id"] == "1"
    del found["x-request-id"]
    assert set(found.values()) == ({"Bearer alice", "mine"} if gets else {None})


async def quotes(request: web.BaseRequest) -> web.StreamResponse:
    sent = request.headers.get("authorization", "")
    error = {"code": 403, "message": f"the key {sent} is not valid", "status": "PERMISSION_DENIED"}
    return web.json_response({"error": error}, status=403)


@pytest.mark.parametrize("credentials", ["{bearer_token: own-secret}", "{caller: FORWARD}"])
async def test_an_upstream_that_quotes_a_credential_tells_it_to_nobody(tmp_path, credentials):
    async with shop_with(tmp_path, credentials, handler=quotes) as shop:
        error = await shop.failure((("authorization", "Bearer alices-secret"),))
        assert "-secret" not in str(error.details())
        assert "the key (hidden) is not valid" in str(error.details())
        assert "-secret" not in str(error.trailing_metadata())


@pytest.mark.parametrize(
    ("credentials", "code", "reason"),
    [
        ("{bearer_token: own}", "UNAVAILABLE", "CREDENTIAL_UNAVAILABLE"),
        ("{caller: FORWARD, bearer_token: own}", "UNAUTHENTICATED", "UPSTREAM_STATUS"),
        ("{}", "UNAUTHENTICATED", "UPSTREAM_STATUS"),
        ("{caller: STRIP}", "UNAUTHENTICATED", "UPSTREAM_STATUS"),
    ],
)
async def test_that_the_gateways_own_credential_is_not_accepted_is_not_the_callers_fault(
    tmp_path, credentials, code, reason
):
    async with shop_with(tmp_path, credentials, handler=json_answer({}, status=401)) as shop:
        error = await shop.failure()
        assert (error.code().name, reason_of(error)) == (code, reason)


async def test_a_status_that_is_mapped_is_told_as_it_is_mapped(tmp_path):
    methods = "{errors: {status_codes: {401: ABORTED}}}"
    async with shop_with(
        tmp_path, "{bearer_token: own}", methods=methods, handler=json_answer({}, status=401)
    ) as shop:
        assert (await shop.failure()).code().name == "ABORTED"


KEYS = """
identity:
  providers:
    keys: {{api_keys: {{keys: [{{caller: c, sha256: {digest}}}]}}}}
    partners: {{api_keys: {{metadata: x-partner, keys: [{{caller: p, sha256: {digest}}}]}}}}
services: {{shop.v1.Orders: {{policy: {{auth: {auth}, {forwarded}}}}}}}
"""


@pytest.mark.parametrize(
    ("auth", "gets"),
    [
        ("{providers: [keys]}", False),
        ("{mode: NONE}", True),
    ],
)
async def test_a_credential_that_was_not_looked_at_is_not_sent_beside_one_that_was(
    tmp_path, auth, gets
):
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "shop.proto").write_text(PROTO)
    key = "k" * 30
    config = KEYS.format(
        digest=hashlib.sha256(key.encode()).hexdigest(),
        auth=auth,
        forwarded="headers: {forward_request: [x-partner, x-request-id]}",
    )
    async with Upstream(ANSWER) as upstream:
        async with gateway_for(
            upstream.url, proto=protos, config=config, tmp_path=tmp_path
        ) as gateway:
            await Shop(gateway, upstream).get(
                (("x-api-key", key), ("x-partner", "forged"), ("x-request-id", "1"))
            )
    assert upstream.headers[0].get("x-request-id") == "1"
    assert upstream.headers[0].get("x-partner") == ("forged" if gets else None)
