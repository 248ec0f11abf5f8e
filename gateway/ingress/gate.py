"""Counts the calls inside, and holds new ones while the server is being stopped.

`grpc.aio` cancels calls that wait in its own queue when it stops. The drain
therefore lets every waiting call reach a handler, holds it here, stops the
server, and lets it go on:

    OPEN --close--> HOLDING --open--> OPEN
"""

import asyncio


class Gate:
    """In front of every handler.

    Attributes:
        inside: calls that have entered and not left, held ones included.
        arrivals: calls that ever entered.
    """

    def __init__(self) -> None:
        self.inside = 0
        self.arrivals = 0
        self._opened: asyncio.Event | None = None

    @property
    def holding(self) -> bool:
        """Whether new calls are held."""
        return self._opened is not None

    def close(self) -> None:
        """Hold calls that enter from now on."""
        if self._opened is None:
            self._opened = asyncio.Event()

    def open(self) -> None:
        """Let go of what is held, and hold no more."""
        if self._opened is not None:
            self._opened.set()
            self._opened = None

    async def wait(self) -> None:
        """Return once the gate is open."""
        while self._opened is not None:
            await self._opened.wait()
