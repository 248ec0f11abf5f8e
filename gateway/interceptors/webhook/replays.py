"""Which signed requests were answered lately, so that none is answered twice.

Rules:
1. A request begins where neither it was answered within the time for which it is remembered,
   nor one like it is under way.
2. One that was answered is remembered until its signature is too old anyway; where nothing
   says how old it is, for the tolerance.
3. One that failed, or whose caller has gone, is forgotten: its sender may send it again.
4. At most so many are remembered and under way. Beyond that the one that was answered first
   is forgotten; where all are under way, the next one goes on without being remembered.
"""

import enum
from collections import OrderedDict

_RUNNING = float("inf")


class Standing(enum.Enum):
    """What is known of a request."""

    NEW = enum.auto()
    RUNNING = enum.auto()
    ANSWERED = enum.auto()


class Replays:
    """Remembers digests.

    Args:
        max_remembered: of them.
    """

    def __init__(self, max_remembered: int) -> None:
        self._most = max_remembered
        self._running: set[bytes] = set()
        self._answered: OrderedDict[bytes, float] = OrderedDict()

    def begin(self, digest: bytes, now: float) -> Standing:
        """Return what is known of a request, and remember that it is under way if it is new."""
        if digest in self._running:
            return Standing.RUNNING
        until = self._answered.get(digest)
        if until is not None:
            if now <= until:
                return Standing.ANSWERED
            del self._answered[digest]
        self._make_room(now)
        if len(self) < self._most:
            self._running.add(digest)
        return Standing.NEW

    def answered(self, digest: bytes, until: float) -> None:
        """Remember that a request was answered."""
        if digest in self._running:
            self._running.discard(digest)
            self._answered[digest] = until

    def failed(self, digest: bytes) -> None:
        """Forget a request that was not."""
        self._running.discard(digest)

    def __len__(self) -> int:
        return len(self._running) + len(self._answered)

    def _make_room(self, now: float) -> None:
        answered = self._answered
        while answered:
            digest, until = next(iter(answered.items()))
            if until >= now and len(self) < self._most:
                return
            del answered[digest]
