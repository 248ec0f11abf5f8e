"""The REST service behind `commerce.v1`: takes events and e-mails, and runs jobs at their hours.

It believes whoever reaches it: signatures and callers are the business of what stands
before it. An event without an id, or a body that is no JSON, is refused all the same.

Beside the control endpoints of every downstream there is

    GET    /_demo/received      the latest requests: verb, path, headers, the body in base64
    GET    /_demo/emails        the e-mails that were sent, in order
    GET    /_demo/events        the ids of events that were taken, each once

    python -m gateway.demo.commerce --port 8892
"""

import base64
import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.faults import Draws, Fault
from gateway.demo.records import Record
from gateway.demo.server import Handler, RestError, json_body, main

PAYMENTS = "/webhooks/payments"
PARCELS = "/webhooks/parcels"
CRON = "/cron"
EMAILS = "/emails"
RECEIVED = "/_demo/received"
EVENTS = "/_demo/events"
SENT = "/_demo/emails"
CAMPAIGNS = "/campaigns"

_JOBS = ("retry-emails", "expire-carts")
_MAX_ITEMS = 12
_MAX_RECEIVED = 200
_MAX_TAKEN = 10_000


class Commerce:
    """The state of the service.

    Args:
        seed: how much there is to do for a job follows from it.
        clock: for the times of answers.
    """

    name = "commerce"
    faults: Sequence[Fault] = ()

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget what came, and let there be work for every job."""
        self._received: deque[Record] = deque(maxlen=_MAX_RECEIVED)
        self._emails: list[Record] = []
        self._by_key: dict[str, Record] = {}
        self._taken: list[str] = []
        self._campaigns: list[str] = []
        draws = Draws(self._seed, "jobs")
        self._work = {job: 1 + int(draws.random() * _MAX_ITEMS) for job in _JOBS}

    def routes(self) -> Iterable[web.RouteDef]:
        """Return its routes."""
        return (
            web.post(PAYMENTS, self._noted(self._event)),
            web.post(PARCELS, self._noted(self._event)),
            web.post(f"{CRON}/{{job}}", self._noted(self._run)),
            web.get(RECEIVED, self._list_received),
            web.post(EMAILS, self._noted(self._send)),
            web.get(SENT, self._list_emails),
            web.post(f"{CAMPAIGNS}/{{id}}/sends", self._send_campaign),
            web.get(f"{CAMPAIGNS}/{{id}}", self._get_campaign),
            web.get(EVENTS, self._list_events),
        )

    def _noted(self, handler: Handler) -> Handler:
        """Take note of a request as it came."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self._received.append(
                {
                    "verb": request.method,
                    "path": request.path,
                    "headers": {name.lower(): value for name, value in request.headers.items()},
                    "body": base64.b64encode(await request.read()).decode(),
                }
            )
            return await handler(request)

        return answer

    async def _list_received(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"requests": list(self._received)})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        email = fields.strings(await json_body(request), "email", needed=("to", "subject", "text"))
        key = request.headers.get("idempotency-key", "")
        sent = self._by_key.get(key) if key else None
        if sent is None:
            sent = {"emailId": f"eml-{1 + len(self._emails)}", "to": email["to"]}
            self._emails.append(email)
            self._by_key[key] = sent
        return web.json_response(sent)

    async def _send_campaign(self, request: web.Request) -> web.StreamResponse:
        await json_body(request)
        self._campaigns.append(request.match_info["id"])
        return web.json_response({"sendId": f"snd-{len(self._campaigns)}"})

    async def _get_campaign(self, request: web.Request) -> web.StreamResponse:
        campaign = request.match_info["id"]
        sends = self._campaigns.count(campaign)
        return web.json_response({"campaignId": campaign, "sends": sends})

    async def _list_events(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"events": self._taken})

    async def _list_emails(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"emails": self._emails})

    async def _event(self, request: web.Request) -> web.StreamResponse:
        event_id = _event_id(await request.read())
        if not event_id:
            raise RestError(400, "the event has no id")
        if event_id not in self._taken and len(self._taken) < _MAX_TAKEN:
            self._taken.append(event_id)
        now = fields.timestamp(self._clock.wall())
        return web.json_response({"eventId": event_id, "receiveTime": now})

    async def _run(self, request: web.Request) -> web.StreamResponse:
        await json_body(request)
        job = request.match_info["job"]
        if job not in self._work:
            raise fields.bad_field("job", f"must be one of {', '.join(_JOBS)}")
        items, self._work[job] = self._work[job], 0
        now = fields.timestamp(self._clock.wall())
        return web.json_response({"job": job, "items": items, "endTime": now})


def _event_id(body: bytes) -> str:
    try:
        event: Any = json.loads(body)
    except ValueError:
        raise RestError(400, "the event is not JSON") from None
    found = event.get("id") if isinstance(event, dict) else None
    return found if isinstance(found, str) else ""


if __name__ == "__main__":
    main("commerce", Commerce)
