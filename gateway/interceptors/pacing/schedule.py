"""When the next request may go: GCRA, as ITU-T I.371 and many rate limiters have it.

1. Requests are `1 / rate` apart; after a pause, `burst` of them may go at once. So in any
   time t no more than `burst + rate * t` go.
2. The rate is an argument: it may be another one at each request.
3. A wake-up that comes late does not slow the line: up to 5 ms of its lateness count as
   if it had come in time. (Timers are a millisecond late and more; at 500 requests a second
   a third of them would be lost.) The bound of rule 1 is looser by so much.
4. The last request that went can be taken back, which leaves no trace of it.
"""

_LATE_S = 0.005
"""Lateness that is made up for; far below what the network adds to a request's time."""


class Schedule:
    """Virtual time of the requests to one upstream; all instants in monotonic seconds."""

    __slots__ = ("_before", "_next_at", "went")

    def __init__(self) -> None:
        self._next_at = float("-inf")
        self._before = self._next_at
        self.went = 0
        """Counts requests that went; names the last one for `take_back`."""

    def due_at(self, ahead: int, rate_per_s: float, burst: int, base: float) -> float:
        """Return when a request may go that has `ahead` others before it.

        Args:
            ahead: requests that go first, each as soon as it may.
            rate_per_s: requests a second, as it is now.
            burst: requests that may go at once after a pause.
            base: nothing goes before; now, or the end of a pause.
        """
        apart_s = 1 / rate_per_s
        next_at = self._next_at if self._next_at > base else base
        return max(base, next_at + (ahead - burst + 1) * apart_s)

    def go(self, now: float, due_at: float, rate_per_s: float) -> None:
        """Take note of a request that goes now, due since `due_at`."""
        from_at = max(min(due_at, now), now - _LATE_S)
        self._before = self._next_at
        self._next_at = max(self._next_at, from_at) + 1 / rate_per_s
        self.went += 1

    def take_back(self, which: int) -> None:
        """Undo request number `which`, unless another one went since."""
        if which == self.went:
            self._next_at = self._before
            self.went += 1
