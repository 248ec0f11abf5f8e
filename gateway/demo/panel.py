"""The REST functions behind `panel.v1`: orders and the catalog, with a state of their own.

Providers, the dashboard, accounts, settings, tickets, payments, users and API keys are modules of
their own.

Written as such services are: camelCase JSON, numbers for money, PATCH with a mask.
It knows nothing of gRPC or of the gateway. Some ids always misbehave, so that a
single grpcurl call shows something:

    ord-flaky     answers 503 twice, then succeeds, and so on
    ord-slow      takes 30 seconds
    ord-limited   answers 429 and asks to come back in 30 seconds
    ord-missing   does not exist

    python -m gateway.demo.panel --port 8888
"""

from collections.abc import Iterable, Sequence

from aiohttp import web

from gateway.core.clock import Clock, Rng
from gateway.demo import fields
from gateway.demo.api_keys import ApiKeys
from gateway.demo.auth import Accounts
from gateway.demo.dashboard import Dashboard
from gateway.demo.faults import Draws, Fault
from gateway.demo.payments import Payments
from gateway.demo.providers import Providers
from gateway.demo.records import MissingError, Record, Records
from gateway.demo.server import json_body, main
from gateway.demo.settings import SettingsPage
from gateway.demo.tickets import Tickets
from gateway.demo.users import Users

ORDERS = "/.netlify/functions/orders"
SERVICES = "/.netlify/functions/services"

_STATES = ("PENDING", "IN_PROGRESS", "COMPLETED", "CANCELLED")
_FIRST_ORDER_AT = 1_767_600_000  # 2026-01-05
_BETWEEN_ORDERS_S = 5_820
_CATALOG = (
    # id, category, name, price and cost in cents, hidden
    ("svc-logo", "Design", "Logo", 18_000, 9_500, False),
    ("svc-banner", "Design", "Banner", 4_500, 1_800, False),
    ("svc-article", "Writing", "Article", 7_900, 4_000, False),
    ("svc-translation", "Writing", "Translation", 6_200, 3_900, False),
    ("svc-audit", "Web", "Site audit", 25_000, 12_000, False),
    ("svc-migration", "Web", "Site migration", 90_000, 61_000, True),
)
_MAGIC = ("ord-flaky", "ord-slow", "ord-limited")


class Panel:
    """The state of the panel.

    Args:
        seed: the orders there are at the start follow from it.
        clock: for the time of new orders.
    """

    name = "panel"
    faults: Sequence[Fault] = (
        Fault(path=f"{ORDERS}/ord-flaky", status=503, count=2, of=3),
        Fault(path=f"{ORDERS}/ord-slow", latency_s=30.0),
        Fault(path=f"{ORDERS}/ord-limited", status=429, retry_after_s=30),
    )

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._providers = Providers(clock)
        self._accounts = Accounts(seed, clock)
        self._settings = SettingsPage()
        self._tickets = Tickets()
        self._payments = Payments()
        self._users = Users()
        self._api_keys = ApiKeys(clock)
        self._dashboard = Dashboard(lambda: self._orders, lambda: self._providers.records)
        self.reset()

    def reset(self) -> None:
        """Make everything anew."""
        self._services = Records("serviceId", "svc", 1)
        for service_id, category, name, price, cost, hidden in _CATALOG:
            service = {
                "name": name,
                "category": category,
                "priceCents": price,
                "costCents": cost,
                "hidden": hidden,
            }
            self._services.add(service, service_id)
        self._orders = Records("orderId", "ord", 2001)
        rng = Draws(self._seed, "orders")
        ids = [*(f"ord-{1001 + i}" for i in range(17)), *_MAGIC]
        for i, order_id in enumerate(ids):
            self._orders.add(self._drawn_order(rng, i), order_id)
        self._providers.reset()
        self._accounts.reset()
        self._settings.reset()
        self._tickets.reset()
        self._payments.reset()
        self._users.reset()
        self._api_keys.reset()

    def _drawn_order(self, rng: Rng, number: int) -> Record:
        service_id = _CATALOG[int(rng.random() * len(_CATALOG))][0]
        quantity = 1 + int(rng.random() * 9)
        return {
            "customerId": f"cus-{1 + int(rng.random() * 5)}",
            "serviceId": service_id,
            "quantity": quantity,
            "totalCents": quantity * self._services.get(service_id)["priceCents"],
            "state": _STATES[int(rng.random() * len(_STATES))],
            "createdAt": fields.timestamp(_FIRST_ORDER_AT + number * _BETWEEN_ORDERS_S),
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of every function."""
        return (
            web.get(ORDERS, self._list_orders),
            web.post(ORDERS, self._create_order),
            web.get(f"{ORDERS}/{{id}}", self._get_order),
            web.patch(f"{ORDERS}/{{id}}", self._update_order),
            web.delete(f"{ORDERS}/{{id}}", self._delete_order),
            web.get(SERVICES, self._list_services),
            web.post(SERVICES, self._create_service),
            web.patch(f"{SERVICES}/{{id}}", self._update_service),
            web.delete(f"{SERVICES}/{{id}}", self._delete_service),
            *self._providers.routes(),
            *self._dashboard.routes(),
            *self._accounts.routes(),
            *self._settings.routes(),
            *self._tickets.routes(),
            *self._payments.routes(),
            *self._users.routes(),
            *self._api_keys.routes(),
        )

    # Orders

    async def _list_orders(self, request: web.Request) -> web.StreamResponse:
        customer = request.query.get("customerId", "")
        orders, next_token = fields.page(
            self._orders, request, lambda order: customer in ("", order["customerId"])
        )
        return web.json_response({"orders": orders, "nextPageToken": next_token})

    async def _get_order(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(fields.found(self._orders, "panel/order", request))

    async def _create_order(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        order = {
            "customerId": fields.text(body, "customerId", "order"),
            "serviceId": fields.text(body, "serviceId", "order"),
            "quantity": fields.whole(body, "quantity", "order"),
            "state": "PENDING",
            "createdAt": fields.timestamp(self._clock.wall()),
        }
        if "note" in body:
            order["note"] = fields.text(body, "note", "order")
        order["totalCents"] = self._total(order)
        return web.json_response(self._orders.add(order), status=201)

    async def _update_order(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        order = fields.found(self._orders, "panel/order", request)
        changed = fields.changed(
            request, body, ("customerId", "serviceId", "quantity", "state", "note")
        )
        values: Record = {}
        for name in changed:
            if name == "quantity":
                values[name] = fields.whole(body, name, "order")
            elif name == "state" and body.get(name) not in _STATES:
                raise fields.bad_field("order.state", f"must be one of {', '.join(_STATES)}")
            elif name in body or name != "note":
                values[name] = fields.text(body, name, "order")
        self._total(order | values)  # refuses an unknown service before anything is changed
        order = self._orders.change(order["orderId"], values, changed)
        order["totalCents"] = self._total(order)
        return web.json_response(order)

    def _total(self, order: Record) -> int:
        try:
            price: int = self._services.get(order["serviceId"])["priceCents"]
        except MissingError:
            raise fields.bad_field("order.service_id", "is not in the catalog") from None
        quantity: int = order["quantity"]
        return price * quantity

    async def _delete_order(self, request: web.Request) -> web.StreamResponse:
        self._orders.remove(fields.found(self._orders, "panel/order", request)["orderId"])
        return web.Response(status=204)

    # Catalog

    async def _list_services(self, request: web.Request) -> web.StreamResponse:
        audience = request.query.get("audience") or "customer"
        if audience not in ("customer", "admin"):
            raise fields.bad_field("audience", "must be customer or admin")
        services = sorted(self._services.all(), key=lambda s: (s.get("category", ""), s["name"]))
        if audience == "customer":
            services = [
                {name: value for name, value in service.items() if name != "costCents"}
                for service in services
                if not service.get("hidden")
            ]
        return web.json_response({"services": services})

    async def _create_service(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        service: Record = {"name": fields.text(body, "name", "service")}
        service |= self._service_values(
            body, [name for name in ("category", "costCents", "hidden") if name in body]
        )
        service["priceCents"] = fields.whole(body, "priceCents", "service")
        return web.json_response(self._services.add(service), status=201)

    async def _update_service(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        service = fields.found(self._services, "panel/service", request)
        names = ("name", "category", "priceCents", "costCents", "hidden")
        changed = fields.changed(request, body, names)
        present = [n for n in changed if n in body or n in ("name", "priceCents")]
        values = self._service_values(body, present)
        return web.json_response(self._services.change(service["serviceId"], values, changed))

    def _service_values(self, body: Record, names: Iterable[str]) -> Record:
        values: Record = {}
        for name in names:
            if name.endswith("Cents"):
                values[name] = fields.whole(body, name, "service")
            elif name == "hidden":
                values[name] = body[name] is True
            else:
                values[name] = fields.text(body, name, "service")
        return values

    async def _delete_service(self, request: web.Request) -> web.StreamResponse:
        self._services.remove(fields.found(self._services, "panel/service", request)["serviceId"])
        return web.Response(status=204)


if __name__ == "__main__":
    main("panel", Panel)
