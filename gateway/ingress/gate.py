"""Counts the calls inside, and holds new ones while the server is being stopped.

`grpc.aio` cancels calls that wait in its own queue when it stops. The drain
therefore lets every waiting call reach a handler, holds it here, stops the
server, and lets it go on:

    OPEN --close--> HOLDING --open--> OPEN --cut--> CUT

What is still inside when the grace is over is cut here, so that its caller is told
why; left to the library, it would end without a word.
"""

import asyncio


class Gate:
    """In front of every handler.

    Attributes:
        arrivals: calls that ever entered.
        is_cut: whether what is inside was cancelled by `cut`.
    """

    def __init__(self) -> None:
        self.arrivals = 0
        self.is_cut = False
        self._inside: set[asyncio.Task[object] | None] = set()
        self._opened: asyncio.Event | None = None

    @property
    def holding(self) -> bool:
        """Whether new calls are held."""
        return self._opened is not None

    @property
    def inside(self) -> int:
        """Return how many calls are inside."""
        return len(self._inside)

    def enter(self, task: asyncio.Task[object] | None) -> None:
        """Count a call, by the task that runs it."""
        self.arrivals += 1
        self._inside.add(task)

    def leave(self, task: asyncio.Task[object] | None) -> None:
        """Count a call no more."""
        self._inside.discard(task)

    def cut(self) -> None:
        """Cancel what is inside."""
        self.is_cut = True
        for task in tuple(self._inside):
            if task is not None:
                task.cancel()

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
