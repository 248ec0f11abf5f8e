"""A quantile of what attempts took lately, in bounded memory.

A histogram with buckets that grow with the value, as in HdrHistogram: each power of two of
seconds is cut into 16 equal parts, so that a value is known to within 1/16. Pure: `now` is
monotonic seconds, and never goes back.

Rules:
1. Two windows, `window_s` each: one fills, the one before still counts, older ones are
   gone. What is told is therefore about the last one to two windows.
2. Nothing is told before `min_samples` are in them.
3. The value told is the upper edge of the bucket in which the quantile lies: never too
   short.
4. A sample costs the same whatever the number of samples; the quantile is worked out after
   every `STALE_SAMPLES` new ones, and when a window ends, and is kept in between.
5. Below 2⁻¹⁴ s (0.06 ms) and beyond 2¹⁰ s (17 minutes) values count as those.
"""

import math

STALE_SAMPLES = 50
_PARTS = 16
_LEAST_EXPONENT, _MOST_EXPONENT = -14, 10
_LEAST_S, _MOST_S = 2.0**_LEAST_EXPONENT, 2.0**_MOST_EXPONENT
_BUCKETS = (_MOST_EXPONENT - _LEAST_EXPONENT) * _PARTS


class LatencyQuantile:
    """Pure; see the rules above.

    Args:
        quantile: between 0 and 1.
        window_s: how long one of the two windows is, in seconds.
        min_samples: before anything is told.
    """

    __slots__ = (
        "_before",
        "_before_total",
        "_current",
        "_min_samples",
        "_quantile",
        "_stale",
        "_told_s",
        "_total",
        "_window_ends_at",
        "_window_s",
    )

    def __init__(self, quantile: float, *, window_s: float = 30.0, min_samples: int = 100) -> None:
        self._quantile = quantile
        self._window_s = window_s
        self._min_samples = min_samples
        self._window_ends_at = float("-inf")
        self._current = [0] * _BUCKETS
        self._before = [0] * _BUCKETS
        self._total = 0
        self._before_total = 0
        self._told_s: float | None = None
        self._stale = 0
        """New samples until the quantile is worked out again."""

    def add(self, duration_s: float, now: float) -> None:
        """Count one attempt that took `duration_s` seconds."""
        if now >= self._window_ends_at:
            self._rotate(now)
        self._current[_bucket(duration_s)] += 1
        self._total += 1
        self._stale -= 1

    def value_s(self, now: float) -> float | None:
        """Return the quantile in seconds; None while too little is known."""
        if now >= self._window_ends_at:
            self._rotate(now)
        if self._stale <= 0:
            self._work_out()
        return self._told_s

    def _rotate(self, now: float) -> None:
        if now < self._window_ends_at + self._window_s:
            self._before, self._before_total = self._current, self._total
        else:
            self._before, self._before_total = [0] * _BUCKETS, 0
        self._current, self._total = [0] * _BUCKETS, 0
        self._window_ends_at = now + self._window_s
        self._stale = 0

    def _work_out(self) -> None:
        total = self._total + self._before_total
        if total < self._min_samples:
            self._told_s = None
            self._stale = self._min_samples - total
            return
        self._stale = STALE_SAMPLES
        # From above: of a high quantile little lies there.
        above = total - math.ceil(self._quantile * total)
        bucket = _BUCKETS - 1
        for bucket in range(_BUCKETS - 1, -1, -1):
            above -= self._current[bucket] + self._before[bucket]
            if above < 0:
                break
        self._told_s = _upper_edge_s(bucket)


def _bucket(duration_s: float) -> int:
    if duration_s < _LEAST_S:
        return 0
    if duration_s >= _MOST_S:
        return _BUCKETS - 1
    mantissa, exponent = math.frexp(duration_s)  # 0.5 <= mantissa < 1
    return (exponent - _LEAST_EXPONENT - 1) * _PARTS + int((mantissa - 0.5) * (2 * _PARTS))


def _upper_edge_s(bucket: int) -> float:
    octave, part = divmod(bucket, _PARTS)
    return math.ldexp(0.5 + (part + 1) / (2 * _PARTS), octave + _LEAST_EXPONENT + 1)
