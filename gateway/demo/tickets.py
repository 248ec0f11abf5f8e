"""Tickets and the contact form of the panel: what must be there once, whatever the network does.

Replies, messages and tickets with an Idempotency-Key that is known are those of before.
"""

from collections.abc import Iterable

from aiohttp import web

from gateway.demo import fields
from gateway.demo.records import Record, Records
from gateway.demo.server import json_body

TICKETS = "/.netlify/functions/tickets"
CONTACT = "/.netlify/functions/contact"
MESSAGES = "/_demo/messages"

_MAX_KEYS = 10_000
_FIRST = (
    ("tic-1", "Where is my parcel?", "ann@example.com"),
    ("tic-2", "The invoice is wrong", "bob@example.com"),
    ("tic-3", "How do I cancel?", "cem@example.com"),
)


class Tickets:
    """The state of both functions."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Make the first tickets anew, and forget messages and keys."""
        self._known: dict[str, Record] = {}
        self._messages: list[Record] = []
        self._replies = 0
        self._tickets = Records("ticketId", "tic", 101)
        for ticket_id, subject, email in _FIRST:
            self._tickets.add(_ticket(subject, email), ticket_id)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        one = f"{TICKETS}/{{id}}"
        return (
            web.get(TICKETS, self._list),
            web.post(TICKETS, self._create),
            web.get(one, self._get),
            web.post(f"{one}/replies", self._reply),
            web.post(f"{one}/close", self._close),
            web.post(CONTACT, self._submit),
            web.get(MESSAGES, self._list_messages),
        )

    def _remembered(self, request: web.Request) -> Record | None:
        key = request.headers.get("idempotency-key", "")
        return self._known.get(f"{request.path}\0{key}") if key else None

    def _remember(self, request: web.Request, answer: Record) -> Record:
        key = request.headers.get("idempotency-key", "")
        if key and len(self._known) < _MAX_KEYS:
            self._known[f"{request.path}\0{key}"] = answer
        return answer

    async def _list(self, request: web.Request) -> web.StreamResponse:
        tickets, next_token = fields.page(self._tickets, request, lambda _ticket: True)
        return web.json_response({"tickets": tickets, "nextPageToken": next_token})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(fields.found(self._tickets, "panel/ticket", request))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        known = self._remembered(request)
        if known is None:
            wanted = fields.strings(body, "ticket", needed=("subject", "email"))
            ticket = self._tickets.add(_ticket(wanted["subject"], wanted["email"]))
            known = self._remember(request, ticket)
        return web.json_response(known)

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        ticket = fields.found(self._tickets, "panel/ticket", request)
        text = fields.text(body, "text", "reply")
        if self._remembered(request) is None:
            self._replies += 1
            ticket["replies"].append({"replyId": f"rep-{self._replies}", "text": text})
            self._remember(request, ticket)
        return web.json_response(ticket)

    async def _close(self, request: web.Request) -> web.StreamResponse:
        ticket = fields.found(self._tickets, "panel/ticket", request)
        ticket["state"] = "CLOSED"
        return web.json_response(ticket)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        known = self._remembered(request)
        if known is None:
            message = fields.strings(body, "message", needed=("email", "text"), optional=("name",))
            message["messageId"] = f"msg-{1 + len(self._messages)}"
            self._messages.append(message)
            known = self._remember(request, {"messageId": message["messageId"]})
        return web.json_response(known)

    async def _list_messages(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"messages": self._messages})


def _ticket(subject: str, email: str) -> Record:
    return {"subject": subject, "email": email, "state": "OPEN", "replies": []}
