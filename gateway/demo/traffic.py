"""What a simulated downstream has seen: the other side's view of the gateway.

Counts only; knows no HTTP server.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MAX_PATHS = 1000
_OTHER = "other paths"


class Traffic:
    """Requests by verb and path, and how many there were at once."""

    def __init__(self) -> None:
        self._inside = 0
        self.reset()

    def reset(self) -> None:
        """Count from nothing; requests that are inside stay counted as such."""
        self._requests: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._peak = self._inside
        self._gone = 0

    @contextmanager
    def request(self, verb: str, path: str) -> Iterator[None]:
        """Count a request that lasts as long as the block."""
        key = f"{verb} {path}"
        if key not in self._requests and len(self._requests) >= _MAX_PATHS:
            key = _OTHER
        self._requests[key] += 1
        self._inside += 1
        self._peak = max(self._peak, self._inside)
        try:
            yield
        finally:
            self._inside -= 1

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._statuses[str(status)] += 1

    def client_gone(self) -> None:
        """Count a request whose client went away before the answer."""
        self._gone += 1

    def report(self) -> dict[str, Any]:
        """Return everything, as JSON has it."""
        return {
            "total": self._requests.total(),
            "requests": dict(self._requests),
            "statuses": dict(self._statuses),
            "clients_gone": self._gone,
            "concurrency": {"current": self._inside, "peak": self._peak},
        }
