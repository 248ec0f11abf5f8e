"""A store of limits that several processes share, and that may fail: what guards it asks of it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.state.limits import Decision, Hit


class Unavailable(Exception):
    """The store cannot be used; the text is a short phrase without addresses and secrets."""


class SharedStore(Protocol):
    """Counts calls while it is open: `redis_limits.RedisLimits`, guarded by `guarded.py`."""

    async def open(self, on_end: Callable[[str], None]) -> None:
        """Make it answer; after it ended, again.

        Args:
            on_end: is told once why it does not answer any more; not when it is closed.

        Raises:
            Unavailable: it cannot be used now.
        """

    async def take(self, hits: Sequence[Hit]) -> Decision | None:
        """Count a call against each of `hits`, or against none; None: no answer in time."""

    async def close(self) -> None:
        """Give back what it holds; what waits for an answer is told that there is none."""
