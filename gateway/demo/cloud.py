"""The REST service behind `cloud.v1`: projects, with a state of their own.

Some ids always misbehave:

    prj-flaky     answers 503 three times, then succeeds, and so on
    prj-slow      takes 60 seconds
    prj-denied    answers 403

    python -m gateway.demo.cloud --port 8890
"""

from collections.abc import Iterable, Sequence

from aiohttp import web

from gateway.core.clock import Clock
from gateway.demo import fields
from gateway.demo.faults import Draws, Fault
from gateway.demo.records import Record, Records
from gateway.demo.server import json_body, main

PROJECTS = "/v1/projects"
PROFILES = "/v1/profiles"

_KIND = "cloud/project"
_REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")
_OWNERS = ("ana", "bo", "chi", "dev")
_FIRST_AT = 1_764_500_000  # 2025-11-30
_BETWEEN_S = 86_700
_COUNT = 30
_MAGIC = ("prj-flaky", "prj-slow", "prj-denied")


class Cloud:
    """The state of the service.

    Args:
        seed: the projects there are at the start follow from it.
        clock: for the time of new projects.
    """

    name = "cloud"
    faults: Sequence[Fault] = (
        Fault(path=f"{PROJECTS}/prj-flaky", status=503, count=3, of=4),
        Fault(path=f"{PROJECTS}/prj-slow", latency_s=60.0),
        Fault(path=f"{PROJECTS}/prj-denied", status=403),
    )

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Make the first projects anew."""
        self._profiles = Records("profileId", "pro", 501)
        for i, owner in enumerate(_OWNERS):
            self._profiles.add({"displayName": owner.title()}, f"pro-{1 + i}")
        self._projects = Records("projectId", "prj", 501)
        rng = Draws(self._seed, "projects")
        for i, project_id in enumerate([*(f"prj-{101 + i}" for i in range(_COUNT)), *_MAGIC]):
            project = {
                "displayName": f"Project {i + 1}",
                "region": _REGIONS[int(rng.random() * len(_REGIONS))],
                "owner": _OWNERS[int(rng.random() * len(_OWNERS))],
            }
            self._add(project, _FIRST_AT + i * _BETWEEN_S, project_id)

    def _add(self, project: Record, created_at: float, project_id: str | None = None) -> Record:
        given = {"createTime": fields.timestamp(created_at), "revision": "1"}
        return self._projects.add(project | given, project_id)

    def routes(self) -> Iterable[web.RouteDef]:
        """Return its routes."""
        one = f"{PROJECTS}/{{id}}"
        return (
            web.get(PROJECTS, self._list),
            web.post(PROJECTS, self._create),
            web.get(one, self._get),
            web.patch(one, self._update),
            web.delete(one, self._delete),
            web.get(f"{PROFILES}/{{id}}", self._get_profile),
        )

    async def _list(self, request: web.Request) -> web.StreamResponse:
        region = request.query.get("region", "")
        projects, next_token = fields.page(
            self._projects, request, lambda project: region in ("", project["region"])
        )
        return web.json_response({"projects": projects, "nextPageToken": next_token})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(fields.found(self._projects, _KIND, request))

    async def _get_profile(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(fields.found(self._profiles, "cloud/profile", request))

    async def _create(self, request: web.Request) -> web.StreamResponse:
        project = fields.strings(
            await json_body(request),
            "project",
            needed=("displayName", "region"),
            optional=("owner",),
        )
        if project["region"] not in _REGIONS:
            raise fields.bad_field("project.region", f"must be one of {', '.join(_REGIONS)}")
        return web.json_response(self._add(project, self._clock.wall()), status=201)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        project = await fields.change(
            self._projects, _KIND, request, needed=("displayName",), optional=("owner",)
        )
        project["revision"] = str(int(project["revision"]) + 1)
        return web.json_response(project)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        project = fields.found(self._projects, _KIND, request)
        self._projects.remove(project["projectId"])
        return web.Response(status=204)


if __name__ == "__main__":
    main("cloud", Cloud)
