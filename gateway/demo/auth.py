"""The auth function of the panel: accounts and sessions, four actions behind one path.

Which action it is stands in the query. A session's token comes as `authorization: Bearer …`;
each is good for an hour. Passwords are kept as such functions keep them, as salted hashes,
though of a hash that is fast.
"""

import hashlib
from collections.abc import Iterable

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.faults import Draws
from gateway.demo.records import MissingError, Record, Records
from gateway.demo.server import RestError, json_body

AUTH = "/.netlify/functions/auth"

_SESSION_S = 3600.0
_MIN_PASSWORD = 8
_FIRST = (
    # email, password, name, role
    ("ana@example.com", "correct horse", "Ana", "customer"),
    ("root@example.com", "battery staple", "Root", "admin"),
)
_BEARER = "Bearer "


class Accounts:
    """The state of the function.

    Args:
        seed: tokens follow from it.
        clock: for the end of sessions.
    """

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Make the first accounts anew, and end every session."""
        self._draws = Draws(self._seed, "sessions")
        self._users = Records("userId", "usr", 1)
        self._passwords: dict[str, str] = {}
        self._sessions: dict[str, tuple[str, float]] = {}
        for email, password, name, role in _FIRST:
            self._add(email, password, name, role)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the one route."""
        return (web.post(AUTH, self._act),)

    async def _act(self, request: web.Request) -> web.StreamResponse:
        match request.query.get("action"):
            case "login":
                return await self._log_in(request)
            case "signup":
                return await self._sign_up(request)
            case "verify":
                return self._verify(request)
            case "logout":
                self._sessions.pop(_token(request), None)
                return web.Response(status=204)
        raise fields.bad_field("action", "must be login, signup, verify or logout")

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        given = _typed(await json_body(request), "email", "password")
        user = self._user(given["email"])
        known = self._passwords.get(user["userId"]) if user is not None else None
        if user is None or known != _hashed(user["userId"], given["password"]):
            raise RestError(401, "the e-mail address or the password is not right")
        return web.json_response(self._session(user))

    async def _sign_up(self, request: web.Request) -> web.StreamResponse:
        given = _typed(await json_body(request), "email", "password", "displayName")
        if len(given["password"]) < _MIN_PASSWORD:
            raise fields.bad_field("password", f"must have at least {_MIN_PASSWORD} characters")
        if self._user(given["email"]) is not None:
            raise RestError(409, "there is an account with this e-mail address")
        user = self._add(given["email"], given["password"], given["displayName"], "customer")
        return web.json_response(self._session(user), status=201)

    def _verify(self, request: web.Request) -> web.StreamResponse:
        user_id, ends_at = self._sessions.get(_token(request), ("", 0.0))
        if ends_at <= self._clock.now():
            raise RestError(401, "there is no such session")
        try:
            return web.json_response(self._users.get(user_id))
        except MissingError:
            raise RestError(401, "there is no such session") from None

    def _add(self, email: str, password: str, name: str, role: str) -> Record:
        user = self._users.add({"email": email.lower(), "displayName": name, "role": role})
        self._passwords[user["userId"]] = _hashed(user["userId"], password)
        return user

    def _user(self, email: str) -> Record | None:
        return next((u for u in self._users.all() if u["email"] == email.lower()), None)

    def _session(self, user: Record) -> Record:
        token = f"ses-{int(self._draws.random() * 2**48):012x}"
        self._sessions[token] = (user["userId"], self._clock.now() + _SESSION_S)
        ends = fields.timestamp(self._clock.wall() + _SESSION_S)
        return {"token": token, "expireTime": ends, "user": user}


def _typed(body: Record, *names: str) -> Record:
    """Return the strings that a form must have."""
    for name in names:
        if not isinstance(body.get(name), str) or not body[name]:
            raise fields.bad_field("display_name" if name == "displayName" else name, "is needed")
    return {name: body[name] for name in names}


def _token(request: web.Request) -> str:
    said = request.headers.get("authorization", "")
    return said.removeprefix(_BEARER) if said.startswith(_BEARER) else ""


def _hashed(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()
