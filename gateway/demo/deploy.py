"""The REST services behind `deploy.v1`: the template registry and the store deployer.

One program that is both; where the two must be told apart, it runs twice. Some ids
always misbehave:

    tpl-flaky     answers 503 twice, then succeeds, and so on
    tpl-slow      takes 60 seconds
    dep-slow      takes 60 seconds

What is deployed anew is accepted (202) and comes to its end as it is looked at: it runs at the
first look and has succeeded at the second. A deployment with an Idempotency-Key that it knows is
the same one. A store called "store-broken" fails.

Beside the control endpoints of every downstream there is

    GET    /_demo/connections   how many connections carried the requests that were served
    GET    /_demo/deployments   the deployments that were asked for, in order

    python -m gateway.demo.deploy --port 9001
"""

from collections.abc import Iterable, Sequence

from aiohttp import web

from gateway.demo import fields
from gateway.demo.faults import Draws, Fault
from gateway.demo.records import Records
from gateway.demo.server import Handler, json_body, main

TEMPLATES = "/templates"
DEPLOYMENTS = "/deployments"
CONNECTIONS = "/_demo/connections"
ASKED_FOR = "/_demo/deployments"
BROKEN = "store-broken"

_MAX_CONNECTIONS = 10_000
_FIRST_AT = 1_765_000_000  # 2025-12-06
_BETWEEN_S = 7_300
_TEMPLATES = (
    # id, name, version, category
    ("tpl-grocery", "Grocery", "2.4.0", "food"),
    ("tpl-bakery", "Bakery", "1.9.2", "food"),
    ("tpl-books", "Bookshop", "3.0.1", "media"),
    ("tpl-records", "Record shop", "0.8.0", "media"),
    ("tpl-flowers", "Florist", "1.2.5", "garden"),
    ("tpl-flaky", "Toy shop", "0.1.0", "toys"),
    ("tpl-slow", "Antiques", "1.0.0", "antiques"),
)
_STATES = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED")
_DEPLOYMENTS = (*(f"dep-{101 + i}" for i in range(12)), "dep-slow")


class Deploy:
    """The state of both services.

    Args:
        seed: the deployments there are at the start follow from it.
    """

    name = "deploy"
    faults: Sequence[Fault] = (
        Fault(path=f"{TEMPLATES}/tpl-flaky", status=503, count=2, of=3),
        Fault(path=f"{TEMPLATES}/tpl-slow", latency_s=60.0),
        Fault(path=f"{DEPLOYMENTS}/dep-slow", latency_s=60.0),
    )

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Make the templates and the first deployments anew, and forget connections."""
        self._connections: set[object] = set()
        self._asked_for: list[str] = []
        self._keys: dict[str, str] = {}
        self._templates = Records("templateId", "tpl", 1)
        for i, (template_id, name, version, category) in enumerate(_TEMPLATES):
            template = {
                "displayName": name,
                "version": version,
                "category": category,
                "publishTime": fields.timestamp(_FIRST_AT + i * _BETWEEN_S),
            }
            self._templates.add(template, template_id)
        self._deployments = Records("deploymentId", "dep", 501)
        rng = Draws(self._seed, "deployments")
        for i, deployment_id in enumerate(_DEPLOYMENTS):
            template_id, _, version, _ = _TEMPLATES[int(rng.random() * len(_TEMPLATES))]
            deployment = {
                "store": f"store-{1 + i}",
                "templateId": template_id,
                "version": version,
                "state": _STATES[int(rng.random() * len(_STATES))],
                "createTime": fields.timestamp(_FIRST_AT + i * _BETWEEN_S),
            }
            self._deployments.add(deployment, deployment_id)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes of both services."""
        return (
            web.get(TEMPLATES, self._noted(self._list_templates)),
            web.get(f"{TEMPLATES}/{{id}}", self._noted(self._get_template)),
            web.get(f"{DEPLOYMENTS}/{{id}}", self._noted(self._get_deployment)),
            web.post(DEPLOYMENTS, self._noted(self._deploy)),
            web.get(CONNECTIONS, self._count_connections),
            web.get(ASKED_FOR, self._list_asked_for),
        )

    def _noted(self, handler: Handler) -> Handler:
        """Take note of the connection by which a request comes."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.transport is not None and len(self._connections) < _MAX_CONNECTIONS:
                self._connections.add(request.transport.get_extra_info("peername"))
            return await handler(request)

        return answer

    async def _count_connections(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"connections": len(self._connections)})

    async def _list_templates(self, request: web.Request) -> web.StreamResponse:
        category = request.query.get("category", "")
        templates, next_token = fields.page(
            self._templates, request, lambda template: category in ("", template["category"])
        )
        return web.json_response({"templates": templates, "nextPageToken": next_token})

    async def _get_template(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(fields.found(self._templates, "deploy/template", request))

    async def _get_deployment(self, request: web.Request) -> web.StreamResponse:
        deployment = fields.found(self._deployments, "deploy/deployment", request)
        if deployment["deploymentId"] in self._asked_for:
            last = "FAILED" if deployment["store"] == BROKEN else "SUCCEEDED"
            deployment["state"] = "RUNNING" if deployment["state"] == "PENDING" else last
        return web.json_response(deployment)

    async def _deploy(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        key = request.headers.get("idempotency-key", "")
        known = self._keys.get(key) if key else None
        if known is None:
            wanted = {
                name: fields.text(body, name, "deployment")
                for name in ("store", "templateId", "version")
            }
            known = self._deployments.add(
                {
                    **wanted,
                    "state": "PENDING",
                    "createTime": fields.timestamp(_FIRST_AT + len(self._asked_for) * _BETWEEN_S),
                }
            )["deploymentId"]
            self._asked_for.append(known)
            if key:
                self._keys[key] = known
        return web.json_response(self._deployments.get(known), status=202)

    async def _list_asked_for(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"deployments": self._asked_for})


if __name__ == "__main__":
    main("deploy", lambda seed, _clock: Deploy(seed))
