"""What a breaker remembers of the calls behind it: by time, or by count.

Rules:
1. A time window is ten buckets of one width, aligned to the clock. It holds the calls of the
   bucket under way and the nine before it, so it reaches back nine to ten tenths of its length.
2. A count window holds the last so many calls, however old; its memory grows to that.
3. Adding and asking are O(1): the totals are kept, what leaves is subtracted.

Source: Resilience4j, `FixedSizeSlidingWindowMetrics` and `SlidingTimeWindowMetrics`.
"""

from typing import Protocol

_BUCKETS = 10
_FAILED, _SLOW = 1, 2


class Window(Protocol):
    """Totals of the calls it holds."""

    calls: int
    failures: int
    slow: int

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Take in one call that ended `now`, in monotonic seconds."""

    def age(self, now: float) -> None:
        """Let go of what is too old `now`."""

    def clear(self) -> None:
        """Forget every call."""


class TimeWindow:
    """The calls of the last `window_s` seconds."""

    __slots__ = ("_at", "_buckets", "_ends_at", "_width_s", "calls", "failures", "slow")

    def __init__(self, window_s: float) -> None:
        self._width_s = window_s / _BUCKETS
        self._buckets = [[0, 0, 0] for _ in range(_BUCKETS)]
        self._at = 0
        self._ends_at = float("-inf")
        self.calls = self.failures = self.slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Take in one call that ended `now`, in monotonic seconds."""
        if now >= self._ends_at:
            self.age(now)
        bucket = self._buckets[self._at]
        bucket[0] += 1
        self.calls += 1
        if failed:
            bucket[1] += 1
            self.failures += 1
        if slow:
            bucket[2] += 1
            self.slow += 1

    def age(self, now: float) -> None:
        """Let go of what is too old `now`."""
        if now < self._ends_at:
            return
        ends_at = (now // self._width_s + 1) * self._width_s
        steps = (ends_at - self._ends_at) / self._width_s
        self._ends_at = ends_at
        if steps > _BUCKETS - 0.5:
            self.clear()
            return
        for _ in range(round(steps)):
            self._at = (self._at + 1) % _BUCKETS
            bucket = self._buckets[self._at]
            self.calls -= bucket[0]
            self.failures -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = 0, 0, 0

    def clear(self) -> None:
        """Forget every call."""
        if self.calls:
            for bucket in self._buckets:
                bucket[:] = 0, 0, 0
            self.calls = self.failures = self.slow = 0


class CountWindow:
    """The last `size` calls."""

    __slots__ = ("_at", "_ring", "_size", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._size = size
        self._ring = bytearray()
        self._at = 0
        self.calls = self.failures = self.slow = 0

    def add(self, failed: bool, slow: bool, now: float) -> None:
        """Take in one call; `now` makes no difference."""
        mark = failed * _FAILED + slow * _SLOW
        if self.calls < self._size:
            self._ring.append(mark)
            self.calls += 1
        else:
            gone = self._ring[self._at]
            self._ring[self._at] = mark
            self._at = (self._at + 1) % self._size
            self.failures -= gone & _FAILED
            self.slow -= gone >> 1
        self.failures += failed
        self.slow += slow

    def age(self, now: float) -> None:
        """Let go of nothing: calls do not grow old here."""

    def clear(self) -> None:
        """Forget every call."""
        self._ring.clear()
        self._at = 0
        self.calls = self.failures = self.slow = 0
