"""The dashboard function behind `panel.v1`: three reports, each counted anew when asked for."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from gateway.demo.fields import bad_field
from gateway.demo.records import Records
from gateway.demo.server import Handler

DASHBOARD = "/.netlify/functions/dashboard"

Figures = Mapping[str, int]


class Dashboard:
    """The reports.

    Args:
        orders: returns the orders there are.
        providers: returns the providers there are.
    """

    def __init__(self, orders: Callable[[], Records], providers: Callable[[], Records]) -> None:
        self._orders = orders
        self._providers = providers

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the route of each report."""
        return (
            web.get(f"{DASHBOARD}/sales", _report("Sales", self._sales)),
            web.get(f"{DASHBOARD}/orders", _report("Orders", self._by_state)),
            web.get(f"{DASHBOARD}/providers", _report("Providers", self._count_providers)),
        )

    def _sales(self) -> Figures:
        done = [one for one in self._orders().all() if one["state"] == "COMPLETED"]
        return {"orders": len(done), "totalCents": sum(one["totalCents"] for one in done)}

    def _by_state(self) -> Figures:
        return Counter(str(one["state"]) for one in self._orders().all())

    def _count_providers(self) -> Figures:
        return {"providers": len(self._providers().all())}


def _report(title: str, figures: Callable[[], Figures]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("reports") != "true":
            raise bad_field("reports", "must be true")
        return web.json_response({"title": title, "figures": figures()})

    return answer
