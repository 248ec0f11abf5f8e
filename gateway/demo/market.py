"""The REST services behind `market.v1`: looks at pictures and prices what is on them.

The scanner is here, the APIs that it buys from are in third_parties.py; one process is all
of them.

What is found follows from the picture's address. Some addresses always misbehave:

    …/slow.jpg      takes 60 seconds
    …/blurred.jpg   cannot be read: 422
    …/flaky.jpg     answers 503 twice, then succeeds, and so on

    python -m gateway.demo.market --port 8890
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.faults import Draws, Fault
from gateway.demo.server import RestError, json_body, main
from gateway.demo.third_parties import ThirdParties

ANALYZE = "/v1/scans:analyze"

_SLOW_S = 60.0
_FLAKY = 3
_CATEGORIES = ("cards", "watches", "toys", "shoes")


class Market:
    """The state of the service.

    Args:
        seed: prices follow from it.
        clock: for what is slow.
    """

    name = "market"
    faults: Sequence[Fault] = ()

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._third_parties = ThirdParties(seed, clock)
        self.reset()

    def reset(self) -> None:
        """Forget how often each picture was looked at, and what was paid."""
        self._seen: Counter[str] = Counter()
        self._third_parties.reset()

    def routes(self) -> Iterable[web.RouteDef]:
        """Return its routes."""
        return (web.post(ANALYZE, self._analyze), *self._third_parties.routes())

    async def _analyze(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        image = fields.text(body, "imageUrl", "scan")
        await self._misbehave(image)
        draws = Draws(self._seed, image)
        category = body.get("category") or _CATEGORIES[int(draws.random() * len(_CATEGORIES))]
        return web.json_response(
            {
                "title": image.rpartition("/")[2].partition(".")[0].replace("-", " ").title(),
                "category": category,
                "priceCents": 100 + int(draws.random() * 100_000),
                "currency": body.get("currency") or "USD",
            }
        )

    async def _misbehave(self, image: str) -> None:
        what = image.rpartition("/")[2]
        self._seen[image] += 1
        if what == "slow.jpg":
            await self._clock.sleep(_SLOW_S)
        elif what == "blurred.jpg":
            raise RestError(422, "the picture cannot be read")
        elif what == "flaky.jpg" and self._seen[image] % _FLAKY:
            raise RestError(503, "the model is loading")


if __name__ == "__main__":
    main("market", Market)
