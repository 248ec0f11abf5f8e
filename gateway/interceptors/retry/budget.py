"""How many retries and hedges one upstream is sent, all its methods together.

Finagle's `RetryBudget` and Envoy's `retry_budget` are the models. Pure: `now` is monotonic
seconds, and never goes back.

Rules:
1. A call deposits once, when its first try is over; its retries and hedges do not. One
   that the gateway refused, or that the caller itself says is a retry, deposits nothing.
2. A retry or hedge withdraws when it is scheduled, so that a backoff counts from its
   beginning.
3. The law: at each withdrawal, those of the window that ends there, it included, are at
   most `share * deposits + min_per_s * window_s`, with the deposits of the same window.
4. Time is cut into buckets of a twentieth of the window. The law holds exactly because
   withdrawals are counted in all buckets that the window touches and deposits in those
   that it covers, and in the one that has just begun. In steady traffic that allows about
   a twentieth less than the law does.
5. A step costs the same however long nothing happened; nothing is kept but the buckets.
"""

from gateway.interceptors.retry.options import RetryBudgetOptions

_BUCKETS = 20
"""In a window; withdrawals are counted in one more."""
_KEPT = _BUCKETS + 1


class RetryBudget:
    """One upstream's budget; see the rules above."""

    __slots__ = (
        "_bucket",
        "_bucket_ends_at",
        "_deposited",
        "_deposits",
        "_floor",
        "_share",
        "_slot",
        "_width_s",
        "_withdrawals",
        "_withdrawn",
    )

    def __init__(self, options: RetryBudgetOptions) -> None:
        self._share = options.share
        self._floor = options.min_per_s * options.window_s
        self._width_s = options.window_s / _BUCKETS
        self._bucket = 0
        """The number of the current bucket since the clock's zero."""
        self._bucket_ends_at = float("-inf")
        self._slot = 0
        self._deposits = [0] * _KEPT
        self._withdrawals = [0] * _KEPT
        self._deposited = 0
        """In the current bucket and the `_BUCKETS - 1` before."""
        self._withdrawn = 0
        """In the current bucket and the `_BUCKETS` before."""

    def deposit(self, now: float) -> None:
        """Count a call that was sent."""
        if now >= self._bucket_ends_at:
            self._roll(now)
        self._deposits[self._slot] += 1
        self._deposited += 1

    def withdraw(self, now: float) -> bool:
        """Take one retry or hedge out; False, and nothing taken, where there is none left."""
        if now >= self._bucket_ends_at:
            self._roll(now)
        if self._withdrawn + 1 > self._share * self._deposited + self._floor:
            return False
        self._withdrawals[self._slot] += 1
        self._withdrawn += 1
        return True

    def remaining(self, now: float) -> float:
        """Return how many could be taken out now; below one none can."""
        if now >= self._bucket_ends_at:
            self._roll(now)
        return max(0.0, self._share * self._deposited + self._floor - self._withdrawn)

    def _roll(self, now: float) -> None:
        """Begin the bucket of `now`, and empty those that the window has left."""
        bucket = int(now // self._width_s)
        if bucket - self._bucket < _KEPT:
            for number in range(self._bucket + 1, bucket + 1):
                self._begin(number % _KEPT)
        else:
            self._deposits = [0] * _KEPT
            self._withdrawals = [0] * _KEPT
            self._deposited = self._withdrawn = 0
        self._bucket = bucket
        self._bucket_ends_at = (bucket + 1) * self._width_s
        self._slot = bucket % _KEPT

    def _begin(self, slot: int) -> None:
        self._withdrawn -= self._withdrawals[slot]
        self._withdrawals[slot] = 0
        self._deposits[slot] = 0  # left the window one bucket ago
        self._deposited -= self._deposits[(slot + 1) % _KEPT]
