"""How a taught rate grows while there is no 429; all rates in requests a second.

Slow start and congestion avoidance, as TCP has them (RFC 5681), with a slower approach to
what was refused last, as CUBIC has it (RFC 9438).

1. Below its threshold the rate doubles every second.
2. From there on it grows by a tenth of the threshold a second.
3. Where the upstream's limit was found, it grows by 1.5 % of the limit a second until it is a
   tenth above, and by less where the limit is below 7.5: three 429s are many there. Nothing
   is known beyond, and rule 2 holds again.
4. While growth is held the rate stays as it is, and goes on from there.
"""

from math import exp2, log2

_INCREASE_PER_S = 0.1
_NEAR_INCREASE_PER_S = 0.015
_NEAR_INCREASE_OF_LIMIT = 0.002
_NEAR = 1.1


class Growth:
    """A rate as a function of time; instants are monotonic seconds.

    Args:
        rate_per_s: at first.
        from_at: when it begins to grow.
        threshold_per_s: up to which it doubles.
        limit_per_s: what the upstream was found to take; 0 where that is not known.
        trouble_at: when the threshold was drawn (`decrease.py`).
    """

    __slots__ = (
        "_doubles_s",
        "_from_at",
        "_increase_per_s",
        "_near_increase_per_s",
        "_near_per_s",
        "_rate_per_s",
        "began_per_s",
        "limit_per_s",
        "threshold_per_s",
        "trouble_at",
    )

    def __init__(
        self,
        rate_per_s: float,
        from_at: float,
        threshold_per_s: float,
        limit_per_s: float = 0.0,
        trouble_at: float | None = None,
    ) -> None:
        self.began_per_s = rate_per_s
        self.threshold_per_s = threshold_per_s
        self.limit_per_s = limit_per_s
        self.trouble_at = from_at if trouble_at is None else trouble_at
        self._near_per_s = limit_per_s * _NEAR
        self._near_increase_per_s = limit_per_s * min(
            _NEAR_INCREASE_PER_S, limit_per_s * _NEAR_INCREASE_OF_LIMIT
        )
        self._increase_per_s = max(rate_per_s, threshold_per_s) * _INCREASE_PER_S
        self._go_on(rate_per_s, from_at)

    def _go_on(self, rate_per_s: float, from_at: float) -> None:
        self._rate_per_s = rate_per_s
        self._from_at = from_at
        self._doubles_s = max(0.0, log2(self.threshold_per_s / rate_per_s))

    def rate_per_s(self, now: float) -> float:
        """Return the rate as it has grown."""
        left_s = now - self._from_at
        rate_per_s = self._rate_per_s
        if left_s <= 0:
            return rate_per_s
        if self._doubles_s:
            if left_s <= self._doubles_s:
                return rate_per_s * exp2(left_s)
            left_s -= self._doubles_s
            rate_per_s = self.threshold_per_s
        if rate_per_s < self._near_per_s:
            near_s = (self._near_per_s - rate_per_s) / self._near_increase_per_s
            if left_s <= near_s:
                return rate_per_s + left_s * self._near_increase_per_s
            left_s -= near_s
            rate_per_s = self._near_per_s
        return rate_per_s + left_s * self._increase_per_s

    def grew(self, by: float, now: float) -> bool:
        """Tell whether the rate is so many times what it was at first."""
        return self.rate_per_s(now) >= self.began_per_s * by

    def again(
        self, rate_per_s: float, from_at: float, threshold_per_s: float | None = None
    ) -> "Growth":
        """Return the growth from another rate in the same trouble."""
        threshold_per_s = threshold_per_s or self.threshold_per_s
        return Growth(rate_per_s, from_at, threshold_per_s, self.limit_per_s, self.trouble_at)

    def hold(self, until: float, now: float) -> None:
        """Let the rate not grow before `until`."""
        if until > now:
            self._go_on(self.rate_per_s(now), max(self._from_at, until))
