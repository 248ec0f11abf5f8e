"""An authorization server on a real socket, and what is made of its tokens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from fakes.clock import FakeClock, FakeRng
from support.upstream import Upstream

from gateway.downstream.credentials import Caller, OAuth2Options, UpstreamCredentials
from gateway.downstream.credentials.options import CredentialOptions

SECRET = "s3cr:t/ü"


class Authorization:
    """Answers each question with a token of its own, until told otherwise.

    Attributes:
        forms: of the questions, in order.
        status: of the next answers.
        body: of the next answers; a token where it is None.
        hold: an event that answers wait for.
    """

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.status = 200
        self.body: Any = None
        self.headers: dict[str, str] = {}
        self.expires_in: Any = 3600
        self.hold: asyncio.Event | None = None
        self.upstream = Upstream(self._answer)

    @property
    def authorizations(self) -> list[str | None]:
        return [headers.get("authorization") for headers in self.upstream.headers]

    async def _answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        form = dict(parse_qsl(self.upstream.bodies[-1].decode(), strict_parsing=True))
        self.forms.append(form)
        number = len(self.forms)
        if self.hold is not None:
            await self.hold.wait()
        body = self.body
        if body is None:
            token = f"of-{form['subject_token']}" if "subject_token" in form else "own"
            body = {"access_token": f"{token}-{number}", "token_type": "Bearer"}
            if self.expires_in is not None:
                body["expires_in"] = self.expires_in
        if isinstance(body, bytes):
            return web.Response(status=self.status, body=body, headers=self.headers)
        return web.json_response(body, status=self.status, headers=self.headers)


class Made:
    """Credentials of the upstream "shop", whose time stands still until told."""

    def __init__(self, caller: Caller, clock: FakeClock, rng: FakeRng, **said: Any) -> None:
        self.clock = clock
        said = {"client_id": "gate:way", "client_secret": SECRET, **said}
        options = CredentialOptions(caller=caller, oauth2=OAuth2Options(**said))
        self.credentials = UpstreamCredentials("shop", options, clock, rng)
        self.source = self.credentials.source

    async def bearer(self, *metadata: tuple[str, str]) -> str:
        given = await self.source.obtain(metadata)
        assert isinstance(given, dict), given
        assert list(given) == ["authorization"]
        return given["authorization"].removeprefix("Bearer ")

    async def refusal(self, *metadata: tuple[str, str]) -> Any:
        given = await self.source.obtain(metadata)
        assert not isinstance(given, dict)
        return given


@asynccontextmanager
async def asking(
    caller: Caller = Caller.STRIP, *, draws: tuple[float, ...] = (0.0,), **said: Any
) -> AsyncIterator[tuple[Made, Authorization]]:
    server = Authorization()
    async with server.upstream as upstream:
        url = said.pop("token_url", f"{upstream.url}/token")
        made = Made(caller, FakeClock(), FakeRng(draws), token_url=url, **said)
        try:
            yield made, server
        finally:
            if server.hold is not None:
                server.hold.set()
            await made.credentials.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)
