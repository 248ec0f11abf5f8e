"""The API keys function of the panel: it reads an account, takes its time, and writes it back.

Two changes of one account at one time lose one of them; GET /_demo/overlaps tells how often that
could have happened.
"""

import itertools
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.records import Record
from gateway.demo.server import json_body

API_KEYS = "/.netlify/functions/api-keys"
OVERLAPS = "/_demo/overlaps"

_WRITE_S = 0.02


class ApiKeys:
    """The state of the function.

    Args:
        clock: for the time that a change takes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Take every key."""
        self._accounts: dict[str, Record] = {}
        self._numbers = itertools.count(1)
        self._changing: dict[str, int] = {}
        self._overlaps = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        one = f"{API_KEYS}/{{account}}"
        return (
            web.get(one, self._list),
            web.post(one, self._issue),
            web.delete(f"{one}/{{key}}", self._revoke),
            web.get(OVERLAPS, self._show),
        )

    def _read(self, account: str) -> Record:
        found = self._accounts.get(account, {"keys": [], "version": "0"})
        return {"keys": list(found["keys"]), "version": found["version"]}

    async def _write(self, account: str, read: Record) -> None:
        """Write back what was read and changed, whatever was written meanwhile."""
        running = self._changing.get(account, 0)
        self._overlaps += running > 0
        self._changing[account] = running + 1
        try:
            await self._clock.sleep(_WRITE_S)
        finally:
            self._changing[account] -= 1
        read["version"] = str(int(read["version"]) + 1)
        self._accounts[account] = read

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._read(request.match_info["account"]))

    async def _issue(self, request: web.Request) -> web.StreamResponse:
        label = fields.text(await json_body(request), "label", "api_key")
        account = request.match_info["account"]
        read = self._read(account)
        key: dict[str, Any] = {"keyId": f"key-{next(self._numbers)}", "label": label}
        read["keys"].append(key)
        await self._write(account, read)
        return web.json_response(key)

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        account, key_id = request.match_info["account"], request.match_info["key"]
        read = self._read(account)
        read["keys"] = [key for key in read["keys"] if key["keyId"] != key_id]
        await self._write(account, read)
        return web.json_response(read)

    async def _show(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"overlaps": self._overlaps})
