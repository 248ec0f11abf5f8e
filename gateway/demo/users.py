"""The users function of the panel."""

from collections.abc import Iterable

from aiohttp import web

from gateway.demo import fields
from gateway.demo.records import Records

USERS = "/.netlify/functions/users"

_NAMES = ("Ann", "Bob", "Cem", "Dora", "Emil", "Fay")


class Users:
    """The state of the function."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Make the first users anew."""
        self._users = Records("userId", "usr", 101)
        for number, name in enumerate(_NAMES, 1):
            user = {"name": name, "email": f"{name.lower()}@example.com"}
            self._users.add(user, f"usr-{number}")

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        one = f"{USERS}/{{id}}"
        return (
            web.get(USERS, self._list),
            web.get(one, self._get),
            web.patch(one, self._update),
            web.delete(one, self._delete),
        )

    async def _list(self, request: web.Request) -> web.StreamResponse:
        users, next_token = fields.page(self._users, request, lambda _user: True)
        return web.json_response({"users": users, "nextPageToken": next_token})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(fields.found(self._users, "panel/user", request))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        user = await fields.change(self._users, "panel/user", request, needed=("name", "email"))
        return web.json_response(user)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._users.remove(fields.found(self._users, "panel/user", request)["userId"])
        return web.Response(status=204)
