"""Questions about health are asked on nobody's behalf: with the upstream's own credential."""

from urllib.parse import urlsplit

from aiohttp import web
from support.upstream import Upstream, json_answer
from unit.downstream.endpoints.sets import opened, options, until

from gateway.core.errors import CallError, Reason, refused
from gateway.core.events import EndpointChanged
from gateway.core.status import Code
from gateway.downstream.credentials.own import FixedCredential
from gateway.downstream.endpoints import HealthOptions


class Tokens:
    """A credential of the upstream's own whose tokens are numbered, and may be missing."""

    def __init__(self) -> None:
        self.number = 1
        self.missing = False
        self.refused: list[object] = []

    async def obtain(self, _metadata=()) -> dict[str, str] | CallError:
        if self.missing:
            reason = Reason.CREDENTIAL_UNAVAILABLE
            return refused(Code.UNAVAILABLE, reason, "no token", retry_after_s=1.0)
        return {"authorization": f"Bearer {self.number}"}

    def rejected(self, headers, _metadata=()) -> None:
        self.refused.append(headers)
        self.number += 1


def asked_with(upstream: Upstream, credential: object):
    parts = urlsplit(upstream.url)
    health = HealthOptions(path="/healthz", timeout_s=1000.0, credential=credential)
    return opened(options(addresses=[(parts.hostname, parts.port)], health=health))


async def test_a_question_is_sent_with_the_upstream_s_own_credential():
    async with Upstream(json_answer({})) as upstream:
        async with asked_with(upstream, FixedCredential({"x-api-key": "k"})):
            await until(lambda: upstream.requests)
    assert upstream.headers[0]["x-api-key"] == "k"
    assert upstream.headers[0]["user-agent"] == "seawall"


async def test_a_question_without_a_credential_is_sent_with_none():
    async with Upstream(json_answer({})) as upstream:
        async with asked_with(upstream, None):
            await until(lambda: upstream.requests)
    assert "authorization" not in upstream.headers[0]


async def test_each_question_has_the_token_of_its_time():
    async with Upstream(json_answer({})) as upstream:
        tokens = Tokens()
        async with asked_with(upstream, tokens) as shop:
            await until(lambda: upstream.requests)
            tokens.number = 7
            await shop.pass_until(lambda: len(upstream.requests) == 2, 1.0)
    assert [sent["authorization"] for sent in upstream.headers] == ["Bearer 1", "Bearer 7"]


async def test_no_credential_is_no_question_and_says_nothing_about_health():
    async with Upstream(json_answer({})) as upstream:
        tokens = Tokens()
        tokens.missing = True
        async with asked_with(upstream, tokens) as shop:
            await shop.pass_until(lambda: len(shop.clock.slept) > 5, 1.0)
            assert upstream.requests == []
            assert set(shop.states().values()) == {"healthy"}
            tokens.missing = False
            await shop.pass_until(lambda: upstream.requests, 1.0)


async def test_a_token_that_is_not_accepted_is_told_of_and_counts_against_the_endpoint():
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        accepted = request.headers["authorization"] == "Bearer 4"
        return web.json_response({}, status=200 if accepted else 401)

    async with Upstream(handle) as upstream:
        tokens = Tokens()
        async with asked_with(upstream, tokens) as shop:
            await shop.pass_until(lambda: "unhealthy" in shop.states().values(), 1.0)
            assert shop.told(EndpointChanged)[-1].why.endswith("answered 401")
            await shop.pass_until(lambda: "healthy" in shop.states().values(), 1.0)
    assert tokens.refused == [{"authorization": f"Bearer {n}"} for n in (1, 2, 3)]
