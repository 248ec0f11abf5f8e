"""A simulated downstream as an HTTP server, and as a process of its own.

What every system's downstream shares: the faults in front of its routes, error
bodies in Google's shape, and the control endpoints, which no fault concerns:

    GET    /_demo/stats    what was seen: requests by path, answers by status, how
                           many at once, and how many clients went away
    GET    /_demo/faults   the faults that are set
    PUT    /_demo/faults   {"faults": [{"path": "/…", "status": 503, "share": 0.5}]}
                           sets these instead (fields: faults.py, `Fault`)
    DELETE /_demo/faults   ends them
    POST   /_demo/reset    state, faults and statistics as at the start
    POST   /_demo/crash    the process ends at once, without an answer

What the service itself does is its system's business; see panel.py.
"""

import argparse
import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

from aiohttp import web

from gateway.core.clock import Clock, SystemClock
from gateway.core.status import code_for_http
from gateway.demo.faults import Fault, FaultError, Mishap, Switchboard, fault_to_json, parse_fault
from gateway.demo.traffic import Traffic

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST = "127.0.0.1"
_CONTROL = "/_demo/"


class System(Protocol):
    """One simulated REST service: its state and its routes.

    Attributes:
        name: of the upstream that it stands for.
        faults: that it always has, such as those of its magic ids.
    """

    name: str
    faults: Sequence[Fault]

    def routes(self) -> Iterable[web.RouteDef]:
        """Return its routes."""

    def reset(self) -> None:
        """Bring its state back to what it is at the start."""


class RestError(Exception):
    """An error answer.

    Args:
        status: 400 to 599.
        message: a sentence.
        details: google.rpc details in their JSON form, with "@type".
    """

    def __init__(self, status: int, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = list(details)


def error_answer(error: RestError, retry_after_s: int | None = None) -> web.Response:
    """Return an error in the shape that Google's APIs use (AIP-193)."""
    body: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": code_for_http(error.status).name,
    }
    if error.details:
        body["details"] = error.details
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return web.json_response({"error": body}, status=error.status, headers=headers)


async def json_body(request: web.Request) -> dict[str, Any]:
    """Return the request's body, a JSON object.

    Raises:
        RestError: it is none.
    """
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise RestError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise RestError(400, "the body is not a JSON object")
    return body


class DownstreamApp:
    """A system behind its faults.

    Args:
        system: what it serves.
        seed: of every draw.
        clock: for latencies and flapping.
    """

    def __init__(self, system: System, seed: int, clock: Clock) -> None:
        self._system = system
        self._clock = clock
        self._traffic = Traffic()
        self._switchboard = Switchboard(seed, system.faults, now=clock.now())

    def build(self) -> web.Application:
        """Return the application to serve."""
        app = web.Application(middlewares=[self._answer])
        app.router.add_get(f"{_CONTROL}stats", self._stats)
        app.router.add_get(f"{_CONTROL}faults", self._faults)
        app.router.add_put(f"{_CONTROL}faults", self._set_faults)
        app.router.add_delete(f"{_CONTROL}faults", self._end_faults)
        app.router.add_post(f"{_CONTROL}reset", self._reset)
        app.router.add_post(f"{_CONTROL}crash", _crash)
        app.router.add_routes(self._system.routes())
        return app

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_CONTROL):
            return await _served(request, handler)
        with self._traffic.request(request.method, request.path):
            mishap = self._switchboard.meet(request.method, request.path, self._clock.now())
            try:
                answer = await self._meet(mishap, request, handler)
            except asyncio.CancelledError:
                self._traffic.client_gone()
                raise
            if not mishap.drop:
                self._traffic.answered(answer.status)
            return answer

    async def _meet(
        self, mishap: Mishap, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        if mishap.latency_s:
            await self._clock.sleep(mishap.latency_s)
        answer = await _served(request, handler) if mishap.acts else web.Response()
        if mishap.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if mishap.status is not None:
            said = RestError(mishap.status, f"simulated failure of {self._system.name}")
            return error_answer(said, mishap.retry_after_s)
        return answer

    # Control

    async def _stats(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._traffic.report())

    async def _faults(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"faults": [fault_to_json(f) for f in self._switchboard.faults]})

    async def _set_faults(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)
        given = body.get("faults")
        if set(body) != {"faults"} or not isinstance(given, list):
            raise RestError(400, 'write {"faults": [{…}, …]}')
        faults = []
        for i, one in enumerate(given):
            try:
                faults.append(parse_fault(one))
            except FaultError as error:
                raise RestError(400, f"faults[{i}]: {error}") from None
        self._switchboard.replace(faults, self._clock.now())
        return await self._faults(request)

    async def _end_faults(self, request: web.Request) -> web.StreamResponse:
        self._switchboard.replace([], self._clock.now())
        return await self._faults(request)

    async def _reset(self, _request: web.Request) -> web.StreamResponse:
        self._system.reset()
        self._switchboard.reset(self._clock.now())
        self._traffic.reset()
        return web.Response(status=204)


async def _crash(_request: web.Request) -> web.StreamResponse:
    os._exit(70)


async def _served(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RestError as error:
        return error_answer(error)
    except web.HTTPException as error:
        return error_answer(RestError(error.status, f"{request.method} {request.path}: no route"))


# The process


def main(name: str, make_system: Callable[[int, Clock], System]) -> None:
    """Serve a system until SIGTERM or SIGINT; what `python -m gateway.demo.NAME` runs.

    Args:
        name: of the system.
        make_system: gets the seed and a clock.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m gateway.demo.{name}",
        description=f"The simulated REST service {name!r}, which misbehaves on request.",
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default: 0")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when whoever holds the other end of standard input does",
    )
    given = parser.parse_args()
    clock = SystemClock()
    system = make_system(given.seed, clock)
    app = DownstreamApp(system, given.seed, clock).build()
    try:
        asyncio.run(_serve(name, app, given.port, given.until_stdin_closes))
    except (OSError, OverflowError) as error:
        why = str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            why = "the port is in use; choose another (0 picks a free one)"
        print(f"{name}: {HOST}:{given.port}: {why}", file=sys.stderr)
        sys.exit(1)


async def _serve(name: str, app: web.Application, port: int, until_stdin_closes: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _on_stdin, stop)
    # A client that goes away cancels its request's handler, and so is seen.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        # reuse_address: the port of a run that has just ended is free at once.
        await web.TCPSite(runner, HOST, port, reuse_address=True).start()
        print(f"{name} on http://{HOST}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _on_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()
