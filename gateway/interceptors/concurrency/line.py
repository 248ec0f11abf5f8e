"""The attempts that wait for a place: a bounded line.

Rules:
1. The more critical goes before the less; attempts of one criticality go in the order
   they came.
2. A full line makes room for a more critical newcomer by giving up the youngest of the
   least critical. Otherwise the newcomer is refused.
3. A line that has not been empty for five times as long as one may wait is *standing*:
   nobody is served sooner because others wait long in it, and who is served last has
   little time left for the answer. Those who waited a quarter of what one may are then
   given up at their turn, while somebody stands behind them (the idea of CoDel, RFC
   8289). It is said of each criticality. At twice what an upstream can do and with callers
   that wait 0.6 s, all that is served is in time; without this rule, two thirds are.
"""

import enum
from collections import OrderedDict
from typing import NamedTuple

from gateway.core.criticality import Criticality
from gateway.interceptors.concurrency.baselines import MethodTimes

_STANDING_WAITS = 5
_STANDING_SHARE = 0.25


class Why(enum.Enum):
    """Why an attempt was not let in."""

    FULL = "full"
    """Nobody who waits is less critical, and there is no room to wait."""
    DISPLACED = "displaced"
    """A more critical one took its room."""
    WAITED = "waited"
    """It waited as long as one may."""
    TOO_LATE = "too late"
    """What is left of its time is less than an attempt takes."""


class Refusal(NamedTuple):
    """An attempt was not let in; seconds and counts at that moment."""

    why: Why
    waited_s: float
    in_flight: int
    queued: int
    expected_s: float
    remaining_s: float


class Waiter:
    """One attempt that waits. A subclass passes on what is decided.

    Args:
        times: of its method.
        criticality: how important it is.
        deadline_at: when its call ends, in monotonic seconds.
        since: when it came.
    """

    __slots__ = ("criticality", "deadline_at", "since", "ticket", "times")

    def __init__(
        self, times: MethodTimes, criticality: Criticality, deadline_at: float, since: float
    ) -> None:
        self.times = times
        self.criticality = criticality
        self.deadline_at = deadline_at
        self.since = since
        self.ticket = 0
        """Of its permit, once it has one."""

    def decide(self, refusal: Refusal | None) -> None:
        """Take the permit, or the refusal."""
        raise NotImplementedError  # abstract: what a wait ends with is its owner's


class Line:
    """Those who wait; see the rules above."""

    def __init__(self, max_queued: int, max_wait_s: float) -> None:
        self._max_queued = max_queued
        self._max_wait_s = max_wait_s
        self._lines: dict[Criticality, OrderedDict[Waiter, None]] = {
            criticality: OrderedDict() for criticality in reversed(Criticality)
        }
        self._standing_since = dict.fromkeys(Criticality, 0.0)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def has_room(self, criticality: Criticality) -> bool:
        """Tell whether an attempt of this criticality may wait, if need be by displacing."""
        if self._size < self._max_queued:
            return True
        return any(self._lines[less] for less in Criticality if less < criticality)

    def displace(self) -> Waiter | None:
        """Give up the youngest of the least critical, where the line is full."""
        if self._size < self._max_queued:
            return None
        for criticality in Criticality:
            if self._lines[criticality]:
                return self._pop(criticality, youngest=True)
        return None

    def append(self, waiter: Waiter) -> None:
        """Let an attempt wait behind its like."""
        line = self._lines[waiter.criticality]
        if not line:
            self._standing_since[waiter.criticality] = waiter.since
        line[waiter] = None
        self._size += 1

    def next(self) -> Waiter:
        """Take the one whose turn it is out of a line that is not empty."""
        for criticality, line in self._lines.items():
            if line:
                return self._pop(criticality, youngest=False)
        raise LookupError("nobody waits")

    def remove(self, waiter: Waiter) -> bool:
        """Take an attempt out; False where it no longer waits."""
        line = self._lines[waiter.criticality]
        if waiter not in line:
            return False
        del line[waiter]
        self._size -= 1
        return True

    def waited_too_long(self, waiter: Waiter, now: float) -> bool:
        """Tell whether the one whose turn it is has to give way to those behind."""
        waited_s = now - waiter.since
        if waited_s >= self._max_wait_s:
            return True
        return (
            waited_s >= self._max_wait_s * _STANDING_SHARE
            and bool(self._lines[waiter.criticality])
            and now - self._standing_since[waiter.criticality] >= self._max_wait_s * _STANDING_WAITS
        )

    def _pop(self, criticality: Criticality, *, youngest: bool) -> Waiter:
        waiter, _ = self._lines[criticality].popitem(last=youngest)
        self._size -= 1
        return waiter
