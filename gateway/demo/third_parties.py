"""The APIs that `market.v1` buys from: eBay, OpenAI, SerpAPI and Stripe, each in its own words.

Beside them stands a matcher of pictures, which is the house's own.

Errors have the shapes that these APIs send, where they differ from Google's: what the error
catalog reads is there. What always fails follows from the request:

    eBay      q "throttled"             429 and Retry-After of 7 s
    OpenAI    …/blurred.jpg             400 invalid_image
              …/broke.jpg               429 insufficient_quota
    SerpAPI   q "throttled"             429, without a word of when to come back
    Stripe    pm_declined               402 card_declined
              pm_no_funds               402 card_declined, decline_code insufficient_funds
              pm_expired                402 expired_card

POST /_demo/prices moves eBay's prices.
"""

import hashlib
import itertools
from collections.abc import Iterable

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.faults import Draws
from gateway.demo.records import Record
from gateway.demo.server import json_body

EBAY = "/buy/item_sales"
OPENAI = "/v1/vision:identify"
MATCHER = "/v1/match"
SERPAPI = "/search.json"
STRIPE = "/v1/payment_intents"
MOVE = "/_demo/prices"

_THROTTLED = "throttled"
_EBAY_WAIT_S = 7
_MAX_COMPS = 50
_CATEGORIES = ("cards", "watches", "toys", "shoes")
_BETWEEN_SALES_S = 7_200
_CARD_ERRORS = {
    # what the card is, code, decline code, sentence
    "pm_declined": ("card_declined", "generic_decline", "Your card was declined."),
    "pm_no_funds": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "pm_expired": ("expired_card", "", "Your card has expired."),
}


class ThirdParties:
    """The state of all four.

    Args:
        seed: prices follow from it.
        clock: for the times of sales.
    """

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget every payment, and what has moved prices."""
        self._payments = itertools.count(1)
        self._moves = 0

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the route of each API."""
        return (
            web.get(EBAY, self._sales),
            web.post(OPENAI, self._identify),
            web.post(MATCHER, self._match),
            web.get(SERPAPI, self._search),
            web.post(STRIPE, self._pay),
            web.post(MOVE, self._move),
        )

    # eBay

    async def _sales(self, request: web.Request) -> web.StreamResponse:
        query = request.query.get("q", "")
        if not query:
            raise fields.bad_field("q", "is needed")
        if query == _THROTTLED:
            body = {"errors": [{"errorId": 2001, "message": "Too many requests."}]}
            wait = {"retry-after": str(_EBAY_WAIT_S)}
            return web.json_response(body, status=429, headers=wait)
        limit = request.query.get("limit", "0")
        if not limit.isdecimal():
            raise fields.bad_field("limit", "must be a whole number, 0 or more")
        count = min(int(limit) or 10, _MAX_COMPS)
        moved = f", moved {self._moves} times" if self._moves else ""
        draws = Draws(self._seed, f"sales of {query}{moved}")
        now = self._clock.wall()
        comps = [
            {
                "title": f"{query.title()} #{number}",
                "priceCents": str(100 + int(draws.random() * 50_000)),
                "currency": "USD",
                "sellTime": fields.timestamp(now - number * _BETWEEN_SALES_S),
            }
            for number in range(1, count + 1)
        ]
        return web.json_response({"comps": comps})

    async def _move(self, _request: web.Request) -> web.StreamResponse:
        self._moves += 1
        return web.json_response({"moves": self._moves})

    # OpenAI

    async def _identify(self, request: web.Request) -> web.StreamResponse:
        image = _image_of(await json_body(request))
        what = image.rpartition("/")[2]
        if what == "blurred.jpg":
            return _error(
                400, "Could not process the image.", "invalid_image", kind="invalid_request_error"
            )
        if what == "broke.jpg":
            return _error(
                429,
                "You exceeded your current quota.",
                "insufficient_quota",
                kind="insufficient_quota",
            )
        draws = Draws(self._seed, image)
        return web.json_response(
            {
                "title": what.partition(".")[0].replace("-", " ").title(),
                "category": _CATEGORIES[int(draws.random() * len(_CATEGORIES))],
                "confidence": round(0.5 + draws.random() / 2, 3),
            }
        )

    async def _match(self, request: web.Request) -> web.StreamResponse:
        image = _image_of(await json_body(request))
        draws = Draws(self._seed, f"like {image}")
        return web.json_response(
            {
                "title": "Something like it",
                "category": _CATEGORIES[int(draws.random() * len(_CATEGORIES))],
                "confidence": round(0.2 + draws.random() / 5, 3),
            }
        )

    # SerpAPI

    async def _search(self, request: web.Request) -> web.StreamResponse:
        query = request.query.get("q", "")
        if not query:
            return web.json_response({"error": "Missing query `q` parameter."}, status=400)
        if query == _THROTTLED:
            return web.json_response({"error": "Your plan is out of searches."}, status=429)
        draws = Draws(self._seed, f"offers of {query}")
        results = [
            {
                "title": f"{query.title()}, offer {number}",
                "link": f"https://shop-{number}.example/{number}",
                "priceCents": str(100 + int(draws.random() * 50_000)),
                "currency": "USD",
            }
            for number in range(1, 4)
        ]
        return web.json_response({"results": results})

    # Stripe

    async def _pay(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        amount, currency, card = (
            str(form.get(name, "")) for name in ("amount", "currency", "payment_method")
        )
        if not amount.isdecimal() or not int(amount):
            return _error(400, "Invalid integer: amount", "parameter_invalid_integer")
        if card in _CARD_ERRORS:
            code, decline_code, sentence = _CARD_ERRORS[card]
            return _error(402, sentence, code, kind="card_error", decline_code=decline_code)
        return web.json_response(
            {
                "id": f"pi_{next(self._payments)}",
                "status": "succeeded",
                "amount": int(amount),
                "currency": currency,
            }
        )


def _image_of(body: Record) -> str:
    """Return what stands for a picture: where it lies, or a digest of it."""
    image, data = body.get("imageUrl"), body.get("image")
    if isinstance(data, str) and data:
        return f"sha256/{hashlib.sha256(data.encode()).hexdigest()}"
    if not isinstance(image, str) or not image:
        raise fields.bad_field("image_url", "is needed")
    return image


def _error(
    status: int,
    message: str,
    code: str,
    *,
    kind: str = "invalid_request_error",
    decline_code: str = "",
) -> web.Response:
    """Return an error in the shape that OpenAI and Stripe share."""
    error: Record = {"message": message, "type": kind, "code": code}
    if decline_code:
        error["decline_code"] = decline_code
    return web.json_response({"error": error}, status=status)
