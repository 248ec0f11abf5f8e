"""Counts of the last ten seconds, by the quarter of a second.

Adding is O(1); sums walk over forty numbers and are asked for after a 429 only.
"""

from typing import NamedTuple

_PER_S = 4
_BUCKETS = 10 * _PER_S


class Count(NamedTuple):
    """What a window holds.

    Args:
        through: answers other than 429.
        refused: answers of 429.
        asked: attempts that came to the pacer, whatever became of them.
        span_s: from the quarter of a second of the first of them until now.
    """

    through: int
    refused: int
    asked: int
    span_s: float


class Tally:
    """Answers and attempts of one upstream; `now` is monotonic seconds and never falls."""

    __slots__ = ("_asked", "_earlier", "_last", "_refused", "_since", "_through")

    def __init__(self) -> None:
        self._last = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._since = self._last
        self._earlier = [0] * _BUCKETS
        self._through = [0] * _BUCKETS
        self._refused = [0] * _BUCKETS
        self._asked = [0] * _BUCKETS

    def turn_over(self, now: float) -> None:
        """Begin anew, but for what `lasting` tells."""
        self._bucket(now)
        earlier = [before + more for before, more in zip(self._earlier, self._through, strict=True)]
        since = self._since
        self.clear()
        self._earlier, self._since = earlier, since

    def lasting(self, now: float) -> float:
        """Return the answers a second other than 429 of ten seconds, turned over or not.

        0 where less than ten seconds are known.
        """
        self._bucket(now)
        if self._last - self._since < _BUCKETS:
            return 0.0
        return (sum(self._through) + sum(self._earlier)) * _PER_S / _BUCKETS

    def through(self, now: float) -> None:
        """Count an answer other than 429."""
        bucket = int(now * _PER_S)  # what `_bucket` does, on the way of every answer
        if bucket > self._last:
            self._roll(bucket)
        self._through[bucket % _BUCKETS] += 1

    def refused(self, now: float) -> None:
        """Count a 429."""
        bucket = self._bucket(now)  # before the list is read: it may be another one then
        self._refused[bucket] += 1

    def asked(self, now: float) -> None:
        """Count an attempt."""
        bucket = self._bucket(now)
        self._asked[bucket] += 1

    def _bucket(self, now: float) -> int:
        bucket = int(now * _PER_S)
        if bucket > self._last:
            self._roll(bucket)
        return bucket % _BUCKETS

    def _roll(self, bucket: int) -> None:
        if bucket - self._last >= _BUCKETS:
            self.clear()
            self._since = bucket
        else:
            for old in range(self._last + 1, bucket + 1):
                index = old % _BUCKETS
                self._through[index] = self._refused[index] = self._asked[index] = 0
                self._earlier[index] = 0
        self._last = bucket

    def count(self, window_s: float, now: float) -> Count:
        """Return what the last `window_s` seconds hold; at most ten."""
        through = refused = asked = 0
        last = first = int(now * _PER_S)
        self._bucket(now)
        for bucket in range(last, last - min(_BUCKETS, int(window_s * _PER_S)), -1):
            index = bucket % _BUCKETS
            here = self._through[index], self._refused[index], self._asked[index]
            if any(here):
                first = bucket
            through += here[0]
            refused += here[1]
            asked += here[2]
        return Count(through, refused, asked, now - first / _PER_S)
