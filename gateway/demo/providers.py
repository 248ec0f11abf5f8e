"""The providers function of the panel: those whose services the panel sells on.

Behind it is somebody else's API, and that has a quota: more than 10 requests in a
second are answered 429. Refused requests count as well, as such APIs have it: who
goes on hammering stays refused.
"""

from collections import deque
from collections.abc import Iterable

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.records import Record, Records
from gateway.demo.server import Handler, RestError, error_answer, json_body

PROVIDERS = "/.netlify/functions/providers"
QUOTA = 10
"""Requests in any second."""

_PER_S = 1.0
_KIND = "panel/provider"
_TEXTS = ("name", "apiUrl")
_FIRST = (
    # id, name, services by category
    ("prv-north", "Northern Studio", {"Design": 31, "Writing": 12}),
    ("prv-quill", "Quill and Sons", {"Writing": 54}),
    ("prv-loom", "Loom Works", {"Design": 8, "Web": 17}),
)
_OFFER = {"Design": 3, "Writing": 4, "Web": 5}
"""What a provider offers that was added later."""


class Quota:
    """At most so many requests in any stretch of time.

    Args:
        requests: at most.
        per_s: seconds.
    """

    def __init__(self, requests: int, per_s: float) -> None:
        self._per_s = per_s
        self._last: deque[float] = deque(maxlen=requests)

    def take(self, now: float) -> bool:
        """Count a request, and tell whether it is within the quota."""
        full = len(self._last) == self._last.maxlen
        within = not full or now - self._last[0] >= self._per_s
        self._last.append(now)
        return within


class Providers:
    """The state of the function.

    Args:
        clock: for the quota and the times of imports.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Make the providers and the quota anew."""
        self._quota = Quota(QUOTA, _PER_S)
        self._providers = Records("providerId", "prv", 1)
        self._offers: dict[str, dict[str, int]] = {}
        for provider_id, name, offer in _FIRST:
            address = f"https://{provider_id.removeprefix('prv-')}.example/api"
            self._providers.add({"name": name, "apiUrl": address}, provider_id)
            self._offers[provider_id] = offer

    @property
    def records(self) -> Records:
        """The providers there are."""
        return self._providers

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes, each within the quota."""
        one = f"{PROVIDERS}/{{id}}"
        return (
            web.get(PROVIDERS, self._within(self._list)),
            web.post(PROVIDERS, self._within(self._create)),
            web.get(one, self._within(self._get)),
            web.patch(one, self._within(self._update)),
            web.delete(one, self._within(self._delete)),
            web.post(one, self._within(self._act)),
        )

    def _within(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if self._quota.take(self._clock.now()):
                return await handler(request)
            over = RestError(429, f"more than {QUOTA} requests in a second")
            return error_answer(over, retry_after_s=1)

        return answer

    async def _list(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"providers": self._providers.all()})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._found(request))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        provider = fields.strings(await json_body(request), "provider", needed=_TEXTS)
        return web.json_response(self._providers.add(provider), status=201)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            await fields.change(self._providers, _KIND, request, needed=_TEXTS)
        )

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._providers.remove(self._found(request)["providerId"])
        return web.Response(status=204)

    async def _act(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("action") != "sync":
            raise fields.bad_field("action", "must be sync")
        body = await json_body(request)
        provider = self._found(request)
        offer = self._offers.get(provider["providerId"], _OFFER)
        wanted = body.get("category", "")
        services = sum(n for category, n in offer.items() if wanted in ("", category))
        values = {
            "serviceCount": services,
            "syncTime": fields.timestamp(self._clock.wall()),
        }
        return web.json_response(self._providers.change(provider["providerId"], values, None))

    def _found(self, request: web.Request) -> Record:
        return fields.found(self._providers, _KIND, request)
