"""Asking the system's resolver, which may not answer for half a minute.

Rules:
1. A look-up has a thread of its own: names that nobody answers for keep no other name
   from being looked up, as they would in the few threads of an event loop.
2. A host and port is looked up once at a time in the process; who asks meanwhile waits
   for the same answer. Who gives up leaves the look-up running, for nothing ends it.
3. At most 64 are under way; one more fails at once.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

_MOST_LOOK_UPS = 64

Resolve = Callable[[str, int], Awaitable[list[Any]]]
"""Returns for a host and a port what getaddrinfo does; an OSError where there is nothing."""

_NO_SUCH_NAME = frozenset(
    number
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if (number := getattr(socket, name, None)) is not None
)


def is_answer(error: OSError) -> bool:
    """Tell whether the resolver said that there is no such name, rather than nothing."""
    return isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME


def numeric(host: str, port: int) -> list[Any]:
    """Return the address that `host` is, as getaddrinfo does; nothing where it is a name."""
    try:
        return socket.getaddrinfo(
            host,
            port,
            type=socket.SOCK_STREAM,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_NUMERICHOST,
        )
    except (OSError, UnicodeError):
        return []


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class SystemResolver:
    """A `Resolve`; one serves the process.

    Args:
        look_up: blocks until it knows.
        most: look-ups under way.
    """

    def __init__(
        self, look_up: Callable[[str, int], list[Any]] = _look_up, most: int = _MOST_LOOK_UPS
    ) -> None:
        self._look_up = look_up
        self._most = most
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, int], Future[list[Any]]] = {}

    async def __call__(self, host: str, port: int) -> list[Any]:
        """Return the addresses that the system's resolver knows."""
        return await asyncio.wrap_future(self._ask((host, port)))

    def _ask(self, place: tuple[str, int]) -> "Future[list[Any]]":
        with self._lock:
            asked = self._asked.get(place)
            if asked is not None:
                return asked
            if len(self._asked) >= self._most:
                raise OSError(f"{self._most} names are being looked up already")
            asked = self._asked[place] = Future()
            asked.set_running_or_notify_cancel()  # who gives up does not take it from others
        # A thread that hangs must not keep the process from ending.
        threading.Thread(target=self._run, args=(place, asked), daemon=True).start()
        return asked

    def _run(self, place: tuple[str, int], asked: "Future[list[Any]]") -> None:
        try:
            found = self._look_up(*place)
        except Exception as error:
            self._forget(place)
            asked.set_exception(error)
        else:
            self._forget(place)
            asked.set_result(found)

    def _forget(self, place: tuple[str, int]) -> None:
        with self._lock:
            del self._asked[place]


resolve_by_system = SystemResolver()
