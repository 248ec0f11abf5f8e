"""The payment functions of the panel: three ledgers that differ in what they know again.

    payments          books whatever reaches it; can be asked for the payment of an order
    payeer            knows a payment again by its Idempotency-Key
    crypto-payments   books whatever reaches it, and cannot be asked

Beside them GET /_demo/ledger has what each has booked, by order.
"""

from collections.abc import Iterable

from aiohttp import web

from gateway.demo import fields
from gateway.demo.records import Record, Records
from gateway.demo.server import RestError, json_body

PAYMENTS = "/.netlify/functions/payments"
PAYEER = "/.netlify/functions/payeer"
CRYPTO = "/.netlify/functions/crypto-payments"
LEDGER = "/_demo/ledger"


class Payments:
    """The state of the three."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Empty every ledger."""
        self._cards = Records("paymentId", "pay", 1)
        self._payeer = Records("paymentId", "pyr", 1)
        self._crypto = Records("paymentId", "inv", 1)
        self._known: dict[str, Record] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        return (
            web.post(PAYMENTS, self._pay_by_card),
            web.get(PAYMENTS, self._list),
            web.get(f"{PAYMENTS}/{{order}}", self._find),
            web.post(PAYEER, self._pay_by_payeer),
            web.post(CRYPTO, self._pay_by_crypto),
            web.get(LEDGER, self._show),
        )

    async def _pay_by_card(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._cards.add(await _wanted(request)))

    async def _pay_by_crypto(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._crypto.add(await _wanted(request)))

    async def _pay_by_payeer(self, request: web.Request) -> web.StreamResponse:
        wanted, key = await _wanted(request), request.headers.get("idempotency-key", "")
        known = self._known.get(key) if key else None
        if known is None:
            known = self._payeer.add(wanted)
            if key:
                self._known[key] = known
        return web.json_response(known)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        payments, next_token = fields.page(self._cards, request, lambda _payment: True)
        return web.json_response({"payments": payments, "nextPageToken": next_token})

    async def _find(self, request: web.Request) -> web.StreamResponse:
        order = request.match_info["order"]
        for payment in self._cards.all():
            if payment["orderId"] == order:
                return web.json_response(payment)
        raise RestError(404, f"no payment of {order!r}")

    async def _show(self, _request: web.Request) -> web.StreamResponse:
        ledgers = {"payments": self._cards, "payeer": self._payeer, "crypto": self._crypto}
        return web.json_response(
            {name: [one["orderId"] for one in ledger.all()] for name, ledger in ledgers.items()}
        )


async def _wanted(request: web.Request) -> Record:
    body = await json_body(request)
    return {
        "orderId": fields.text(body, "orderId", "payment"),
        "amountCents": fields.whole(body, "amountCents", "payment"),
    }
