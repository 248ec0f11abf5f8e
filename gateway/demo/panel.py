"""The REST functions behind `panel.v1`: orders and the catalog, with a state of their own.

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
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gateway.core.clock import Clock, Rng
from gateway.demo.faults import Draws, Fault
from gateway.demo.records import MissingError, Record, Records
from gateway.demo.server import RestError, json_body, main

ORDERS = "/.netlify/functions/orders"
SERVICES = "/.netlify/functions/services"

_TYPES = "type.googleapis.com/google.rpc."
_STATES = ("PENDING", "IN_PROGRESS", "COMPLETED", "CANCELLED")
_PAGE_SIZE, _MAX_PAGE_SIZE = 25, 100
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
        self.reset()

    def reset(self) -> None:
        """Make the catalog and the first orders anew."""
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

    def _drawn_order(self, rng: Rng, number: int) -> Record:
        service_id = _CATALOG[int(rng.random() * len(_CATALOG))][0]
        quantity = 1 + int(rng.random() * 9)
        return {
            "customerId": f"cus-{1 + int(rng.random() * 5)}",
            "serviceId": service_id,
            "quantity": quantity,
            "totalCents": quantity * self._services.get(service_id)["priceCents"],
            "state": _STATES[int(rng.random() * len(_STATES))],
            "createdAt": _timestamp(_FIRST_ORDER_AT + number * _BETWEEN_ORDERS_S),
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of both functions."""
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
        )

    # Orders

    async def _list_orders(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        size = query.get("pageSize", "0")
        if not size.isdecimal():
            raise _bad_field("page_size", "must be a whole number, 0 or more")
        customer = query.get("customerId", "")
        try:
            orders, next_token = self._orders.page(
                min(int(size) or _PAGE_SIZE, _MAX_PAGE_SIZE),
                query.get("pageToken", ""),
                lambda order: customer in ("", order["customerId"]),
            )
        except MissingError:
            raise _bad_field("page_token", "is not a token of an earlier page") from None
        return web.json_response({"orders": orders, "nextPageToken": next_token})

    async def _get_order(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(_found(self._orders, "order", request))

    async def _create_order(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        order = {
            "customerId": _text(body, "customerId", "order"),
            "serviceId": _text(body, "serviceId", "order"),
            "quantity": _whole(body, "quantity", "order"),
            "state": "PENDING",
            "createdAt": _timestamp(self._clock.wall()),
        }
        if "note" in body:
            order["note"] = _text(body, "note", "order")
        order["totalCents"] = self._total(order)
        return web.json_response(self._orders.add(order), status=201)

    async def _update_order(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        order = _found(self._orders, "order", request)
        changed = _changed(request, body, ("customerId", "serviceId", "quantity", "state", "note"))
        values: Record = {}
        for name in changed:
            if name == "quantity":
                values[name] = _whole(body, name, "order")
            elif name == "state" and body.get(name) not in _STATES:
                raise _bad_field("order.state", f"must be one of {', '.join(_STATES)}")
            elif name in body or name != "note":
                values[name] = _text(body, name, "order")
        self._total(order | values)  # refuses an unknown service before anything is changed
        order = self._orders.change(order["orderId"], values, changed)
        order["totalCents"] = self._total(order)
        return web.json_response(order)

    def _total(self, order: Record) -> int:
        try:
            price: int = self._services.get(order["serviceId"])["priceCents"]
        except MissingError:
            raise _bad_field("order.service_id", "is not in the catalog") from None
        quantity: int = order["quantity"]
        return price * quantity

    async def _delete_order(self, request: web.Request) -> web.StreamResponse:
        self._orders.remove(_found(self._orders, "order", request)["orderId"])
        return web.Response(status=204)

    # Catalog

    async def _list_services(self, request: web.Request) -> web.StreamResponse:
        audience = request.query.get("audience") or "customer"
        if audience not in ("customer", "admin"):
            raise _bad_field("audience", "must be customer or admin")
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
        service: Record = {"name": _text(body, "name", "service")}
        service |= self._service_values(
            body, [name for name in ("category", "costCents", "hidden") if name in body]
        )
        service["priceCents"] = _whole(body, "priceCents", "service")
        return web.json_response(self._services.add(service), status=201)

    async def _update_service(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        service = _found(self._services, "service", request)
        names = ("name", "category", "priceCents", "costCents", "hidden")
        changed = _changed(request, body, names)
        present = [n for n in changed if n in body or n in ("name", "priceCents")]
        values = self._service_values(body, present)
        return web.json_response(self._services.change(service["serviceId"], values, changed))

    def _service_values(self, body: Record, names: Iterable[str]) -> Record:
        values: Record = {}
        for name in names:
            if name.endswith("Cents"):
                values[name] = _whole(body, name, "service")
            elif name == "hidden":
                values[name] = body[name] is True
            else:
                values[name] = _text(body, name, "service")
        return values

    async def _delete_service(self, request: web.Request) -> web.StreamResponse:
        self._services.remove(_found(self._services, "service", request)["serviceId"])
        return web.Response(status=204)


def _timestamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _found(records: Records, kind: str, request: web.Request) -> Record:
    record_id = request.match_info["id"]
    try:
        return records.get(record_id)
    except MissingError:
        text = f"{kind} {record_id!r} was not found"
        detail = {
            "@type": f"{_TYPES}ResourceInfo",
            "resourceType": f"panel/{kind}",
            "resourceName": record_id,
            "description": text,
        }
        raise RestError(404, text, [detail]) from None


def _bad_field(field: str, text: str) -> RestError:
    violation = {"field": field, "description": text}
    detail = {"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}
    return RestError(400, f"{field} {text}", [detail])


def _text(body: Record, name: str, at: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or not value:
        raise _bad_field(f"{at}.{_snake(name)}", "is needed")
    return value


def _whole(body: Record, name: str, at: str) -> int:
    value: Any = body.get(name, 0)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)  # 64-bit numbers come as strings from protobuf's JSON
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _bad_field(f"{at}.{_snake(name)}", "must be a whole number, 1 or more")
    return value


def _changed(request: web.Request, body: Record, names: Sequence[str]) -> list[str]:
    """Return which of the fields `names` a PATCH changes."""
    mask = request.query.get("updateMask")
    wanted = body if mask is None else [name for name in mask.split(",") if name]
    return [name for name in names if name in wanted]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


if __name__ == "__main__":
    main("panel", Panel)
