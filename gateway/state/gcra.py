"""GCRA: places come back one by one, evenly; a burst of them may be taken at once.

The generic cell rate algorithm (ITU-T I.371, annex A). The state of a key is one number, its
TAT: when all of its places will be back. Pure; counts in whole numbers, so that whatever
keeps the same rules (a script in a shared store) says the same. Rules:
1. `now` is in whole microseconds and never runs backwards: a store whose clock may step
   back takes the latest it has seen. A key that nothing is known of has a TAT in the past.
2. In nanoseconds: `interval` = ceil(per_us * 1000 / requests), the time in which one place
   comes back; `span` = burst * interval, the time in which all do; `ahead` =
   max(0, TAT - now), the time that the places taken still need. Where numbers are doubles,
   (now, ahead) is kept instead of TAT; span is at most 2**53 (config bounds it).
3. A call for `cost` places has room where ahead + cost * interval <= span. Otherwise it has
   to wait ceil((ahead + cost * interval - span) / 1000) microseconds; for ever where
   cost > burst.
4. Counting makes ahead = min(span, ahead + cost * interval). The bound is reached by a
   shadow alone, which counts what it has no room for: a full bucket overflows.
5. Places left: floor((span - ahead) / interval). All are back in ceil(ahead / 1000)
   microseconds.
"""

from typing import Final

NEVER: Final = -1
"""The wait of a call that asks for more places than there are."""
_NS_PER_US = 1000


class Tat:
    """The state of one key."""

    __slots__ = ("at_ns",)

    def __init__(self) -> None:
        self.at_ns = 0


class Gcra:
    """The rules of one limit.

    Args:
        requests: places that come back in each `per_us`.
        per_us: microseconds.
        burst: places that there are.
    """

    __slots__ = ("_interval_ns", "_span_ns", "places")

    def __init__(self, requests: int, per_us: int, burst: int) -> None:
        self.places = burst
        self._interval_ns = -(-per_us * _NS_PER_US // requests)
        self._span_ns = burst * self._interval_ns

    def new(self) -> Tat:
        """Return the state of a key that nobody has used."""
        return Tat()

    def wait_us(self, tat: Tat, now_us: int, cost: int) -> int:
        """Return how long a call has to wait for `cost` places; 0 where it has room."""
        if cost > self.places:
            return NEVER
        ahead = tat.at_ns - now_us * _NS_PER_US
        short = (ahead if ahead > 0 else 0) + cost * self._interval_ns - self._span_ns
        return -(-short // _NS_PER_US) if short > 0 else 0

    def count(self, tat: Tat, now_us: int, cost: int) -> None:
        """Take `cost` places."""
        now_ns = now_us * _NS_PER_US
        at_ns = (tat.at_ns if tat.at_ns > now_ns else now_ns) + cost * self._interval_ns
        full_ns = now_ns + self._span_ns
        tat.at_ns = at_ns if at_ns < full_ns else full_ns

    def left(self, tat: Tat, now_us: int) -> tuple[int, int]:
        """Return how many places are left, and in how many microseconds all are back."""
        ahead = tat.at_ns - now_us * _NS_PER_US
        if ahead <= 0:
            return self.places, 0
        left = (self._span_ns - ahead) // self._interval_ns
        return max(0, left), -(-ahead // _NS_PER_US)
