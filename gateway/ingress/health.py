"""grpc.health.v1: whether this gateway can answer a service (gRPC health protocol).

Rules:
1. It speaks of the gateway, not of the upstreams: a call to a dead upstream still
   has an answer, and says so better.
2. Check of an unknown service is NOT_FOUND; Watch of one is SERVICE_UNKNOWN, and
   follows when it appears.
3. Watch answers at once, then on each change, never twice the same.
4. `end_watches` closes the Watch streams, so that a drain need not wait for them.
5. A store that something was told of has a status of its own, "seawall.store.durable": it changes
   nothing of what is said of the services, which go on as their policies say.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2

from gateway.core.call import MethodInfo, Target
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.events import Event, StoreChanged
from gateway.core.status import Code
from gateway.ingress.local import LocalStream, LocalUnary

SERVICE = "grpc.health.v1.Health"
_STORE = "seawall.store."
MAX_LISTED = 100
"""The protocol's own bound on what List returns."""

# The published type stubs are older than the package: they lack List.
_pb: Any = health_pb2
_Status = _pb.HealthCheckResponse
SERVING: int = _Status.SERVING
NOT_SERVING: int = _Status.NOT_SERVING


class Health:
    """The status of each service; "" is the gateway as a whole."""

    def __init__(self, services: Iterable[str]) -> None:
        self._status: dict[str, int] = dict.fromkeys(["", *services], NOT_SERVING)
        self._stores: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._ended = False

    def note(self, event: Event) -> None:
        """Take note of a store that answers again, or no longer."""
        if isinstance(event, StoreChanged):
            status = SERVING if event.available else NOT_SERVING
            self._stores[f"{_STORE}{event.store}"] = status
            self._wake()

    def _status_of(self, service: str) -> int | None:
        status = self._status.get(service)
        return self._stores.get(service) if status is None else status

    def set_all(self, status: int) -> None:
        """Set the status of every service and tell the watchers."""
        self._status = dict.fromkeys(self._status, status)
        self._wake()

    @property
    def serving(self) -> bool:
        """Whether the gateway as a whole is serving."""
        return self._status[""] == SERVING

    def end_watches(self) -> None:
        """End every Watch stream, now and from now on."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def check(self, request: Any) -> Any:
        """Answer Check."""
        status = self._status_of(request.service)
        if status is None:
            raise CallError(
                Code.NOT_FOUND,
                Reason.INVALID_REQUEST,
                f"there is no service {request.service!r} here",
                origin=Origin.CALLER,
            )
        return _Status(status=status)

    def list(self, _request: Any) -> Any:
        """Answer List."""
        found = self._status | self._stores
        if len(found) > MAX_LISTED:
            raise CallError(
                Code.RESOURCE_EXHAUSTED,
                Reason.INVALID_REQUEST,
                f"there are more than {MAX_LISTED} services; ask for each by Check",
            )
        statuses = {name: _Status(status=status) for name, status in found.items()}
        return _pb.HealthListResponse(statuses=statuses)

    async def watch(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Answer Watch."""
        async for request in requests:
            last = None
            while True:
                changed = self._changed
                known = self._status_of(request.service)
                status = _Status.SERVICE_UNKNOWN if known is None else known
                if status != last:
                    last = status
                    yield _Status(status=status)
                    continue  # it may have changed while the caller took its time
                if self._ended:
                    return
                await changed.wait()

    def targets(self) -> dict[MethodInfo, Target]:
        """Return the service's methods."""
        request = _pb.HealthCheckRequest
        return {
            MethodInfo(SERVICE, "Check"): LocalUnary(request, self.check),
            MethodInfo(SERVICE, "List"): LocalUnary(_pb.HealthListRequest, self.list),
            MethodInfo(SERVICE, "Watch", server_streaming=True): LocalStream(request, self.watch),
        }
