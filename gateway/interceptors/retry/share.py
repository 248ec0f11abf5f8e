"""How many of a method's calls are hedged: a share, saved up call by call.

Rules:
1. Each call earns one; a hedge costs 1 / `max_share` of them. There is no floor: the first
   calls give no hedge.
2. No more than `SAVED_CALLS` are kept, or one hedge's cost: a method that was well for an
   hour does not double its load the minute after.

So hedges are at most `max_share` of the calls since the start, and of any stretch of calls
and the `SAVED_CALLS` before it.
"""

SAVED_CALLS = 500


class HedgeShare:
    """Pure and deterministic; see the rules above.

    Args:
        max_share: hedges as a share of calls; 0 allows none.
    """

    __slots__ = ("_cost", "_most", "_saved")

    def __init__(self, max_share: float) -> None:
        self._cost = 1 / max_share if max_share > 0 else float("inf")
        self._most = max(SAVED_CALLS, self._cost)
        self._saved = 0.0

    def earn(self) -> None:
        """Count a call."""
        if self._saved < self._most:
            self._saved += 1

    @property
    def affords(self) -> bool:
        """Whether a hedge can be paid for."""
        return self._saved >= self._cost

    def spend(self) -> None:
        """Pay for a hedge that `affords` allowed."""
        self._saved -= self._cost
