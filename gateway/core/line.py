"""Those that wait for one thing: a bounded line, the more critical first.

Rules:
1. The more critical goes before the less; those of one criticality go in the order in which
   they came.
2. A full line makes room for a more critical newcomer by giving up the youngest of the least
   critical. Whom that hits is told by the line's owner.
3. Each step takes as many looks as there are criticalities, however many wait.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from gateway.core.criticality import Criticality

_MOST = max(Criticality)


class Waiting(Protocol):
    """One that waits; equal to itself only. Its criticality stays what it is."""

    @property
    def criticality(self) -> Criticality:
        """How important it is."""


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """Who waits, in the order in which they go.

    Args:
        max_waiting: so many at most.
    """

    __slots__ = ("_by_rank", "_max_waiting", "_size")

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._by_rank: tuple[OrderedDict[W, None], ...] = tuple(OrderedDict() for _ in Criticality)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[W]:
        for line in self._by_rank:
            yield from line

    def ahead(self, criticality: Criticality) -> int:
        """Return how many go before a newcomer of this criticality."""
        if not self._size:
            return 0
        return sum(map(len, self._by_rank[: _MOST - criticality + 1]))

    def first(self) -> W | None:
        """Return whose turn is next; None where nobody waits."""
        if self._size:
            for line in self._by_rank:
                if line:
                    return next(iter(line))
        return None

    def first_of(self, criticality: Criticality) -> W | None:
        """Return who of this criticality goes next."""
        return next(iter(self._by_rank[_MOST - criticality]), None)

    def has_room(self, criticality: Criticality) -> bool:
        """Tell whether a newcomer of this criticality may wait, if need be by displacing."""
        return self._size < self._max_waiting or any(self._by_rank[_MOST - criticality + 1 :])

    def displace(self, criticality: Criticality) -> W | None:
        """Take out whom a newcomer displaces; None where it need not or may not."""
        if self._size < self._max_waiting:
            return None
        for line in reversed(self._by_rank[_MOST - criticality + 1 :]):
            if line:
                self._size -= 1
                return line.popitem(last=True)[0]
        return None

    def append(self, waiting: W) -> None:
        """Let one wait behind its like."""
        self._by_rank[_MOST - waiting.criticality][waiting] = None
        self._size += 1

    def remove(self, waiting: W) -> bool:
        """Take one out; False where it does not wait."""
        line = self._by_rank[_MOST - waiting.criticality]
        if waiting not in line:
            return False
        del line[waiting]
        self._size -= 1
        return True
