"""A sliding window: never more than so many calls in any stretch of a length.

The state of a key is a log of the calls that still count, oldest first. Where there are more
than a few, calls that came close together share an entry, so that a log stays short
whatever the limit is. Pure; counts in whole microseconds, so that whatever keeps the same
rules (a script in a shared store) says the same. Rules:
1. `now` never runs backwards: a store whose clock may step back takes the `last` of the
   newest entry where that is later.
2. An entry is (last, count): when its latest call came, and how many places its calls took.
   Of the newest entry, `began` is when its first call came. `total` is the sum of all counts.
3. An entry is forgotten once last <= now - per: so nothing is forgotten early, and of any
   stretch [t, t + per) at most `requests` places were taken.
4. A call joins the newest entry where now - began <= grain, which then has last = now;
   otherwise it begins one. `grain` = floor(per / 60) where requests > 60, else 0. So a place
   comes back at most a sixtieth of `per` late, exactly on time where there are 60 or fewer,
   and a log has at most 61 entries.
5. A call for `cost` places has room where total + cost <= requests. Otherwise it has to wait
   until so many of the oldest entries are forgotten that it has: last + per - now of the last
   of them; for ever where cost > requests.
6. Counting adds min(cost, requests) places. Those that there is no room for (a shadow counts
   them all the same) take the place of the oldest: counts are taken off from the oldest entry
   on, and an entry without any is gone. What is said of later calls stays the same by that.
7. Places left: requests - total, not below 0. All are back when the newest entry is
   forgotten: in last + per - now microseconds.
"""

from array import array

from gateway.state.gcra import NEVER

_PARTS = 60


class Log:
    """The state of one key.

    Args:
        entries: last, count, last, count, …; microseconds and places.
        began_us: when the newest entry's first call came.
        total: of all counts.
    """

    __slots__ = ("began_us", "entries", "total")

    def __init__(self) -> None:
        self.entries = array("q")
        self.began_us = 0
        self.total = 0


class Window:
    """The rules of one limit.

    Args:
        requests: places in any stretch.
        per_us: its length in microseconds.
    """

    __slots__ = ("_grain_us", "_per_us", "places")

    def __init__(self, requests: int, per_us: int) -> None:
        self.places = requests
        self._per_us = per_us
        self._grain_us = per_us // _PARTS if requests > _PARTS else 0

    def new(self) -> Log:
        """Return the state of a key that nobody has used."""
        return Log()

    def wait_us(self, log: Log, now_us: int, cost: int) -> int:
        """Return how long a call has to wait for `cost` places; 0 where it has room."""
        self._forget(log, now_us)
        if cost > self.places:
            return NEVER
        short = log.total + cost - self.places
        if short <= 0:
            return 0
        entries = log.entries
        at = 0
        while (short := short - entries[at + 1]) > 0:
            at += 2
        return entries[at] + self._per_us - now_us

    def count(self, log: Log, now_us: int, cost: int) -> None:
        """Take `cost` places; `wait_us` was asked at the same `now_us`."""
        if cost <= 0:
            return
        if cost > self.places:
            cost = self.places
        entries = log.entries
        log.total += cost
        if log.total > self.places:
            self._drop(log, log.total - self.places)
        if entries and now_us - log.began_us <= self._grain_us:
            entries[-2] = now_us
            entries[-1] += cost
        else:
            entries.append(now_us)
            entries.append(cost)
            log.began_us = now_us

    def left(self, log: Log, now_us: int) -> tuple[int, int]:
        """Return how many places are left, and in how many microseconds all are back."""
        self._forget(log, now_us)
        entries = log.entries
        reset_us = entries[-2] + self._per_us - now_us if entries else 0
        return max(0, self.places - log.total), reset_us

    def _forget(self, log: Log, now_us: int) -> None:
        entries = log.entries
        until_us = now_us - self._per_us
        if not entries or entries[0] > until_us:
            return
        at = 0
        while at < len(entries) and entries[at] <= until_us:
            log.total -= entries[at + 1]
            at += 2
        del entries[:at]

    def _drop(self, log: Log, places: int) -> None:
        entries = log.entries
        log.total -= places
        at = 0
        while places and places >= entries[at + 1]:
            places -= entries[at + 1]
            at += 2
        if places:
            entries[at + 1] -= places
        del entries[:at]
