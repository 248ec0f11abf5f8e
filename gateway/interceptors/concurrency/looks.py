"""Looks at an upstream that has fallen silent: what is let through beyond the limit.

Attempts that hang hold every place and fail only at their deadlines. Rules:

1. Where every place is taken and no attempt has ended for a while (0.5 s, 0.25 s during a
   slow start, and never less than three times what an attempt is expected to take), one
   attempt from before no longer holds its place. Who waits takes it: that is a look. One
   more follows after each such while of silence. An upstream that is slow but alive ends
   attempts, so it is never looked at for long.
2. The silence is counted from the last end or look, or from when somebody first found no
   place: nothing is known, and no timer runs, where nobody waits. What holds no place may
   end unheard.
3. A look that is answered shows that the upstream is back and that what is still under way
   from before it hangs: none of that holds a place any more.
4. If an attempt from before the last look is answered, the upstream was slow and not away:
   what was let through counts like all others.
5. A place is free for looks only as long as attempts from before are under way. Who ends a
   look without an answer leaves its place to the next.

places.py knows the limit, and that no look goes beyond a bulkhead or `max_limit`.
"""

from math import inf

_PATIENCE_S = 0.5
_RAMP_PATIENCE_S = 0.25
_PATIENCE_TIMES = 3


def patience_s(expected_s: float, *, ramping: bool) -> float:
    """Return how long silence has to last, in seconds, where an attempt takes `expected_s`."""
    return max(_RAMP_PATIENCE_S if ramping else _PATIENCE_S, _PATIENCE_TIMES * expected_s)


class Looks:
    """How long an upstream has been silent, and what was let through since."""

    __slots__ = ("_full_at", "before", "ended_at", "spare")

    def __init__(self) -> None:
        self.ended_at = -inf
        """When an attempt last ended or a look was let through, in monotonic seconds."""
        self._full_at = -inf
        self.before = 0
        """Attempts under way that hold places and began before the last look; 0 for no look."""
        self.spare = 0
        """How many of them hold none, for the looks."""

    def found_full(self, now: float) -> None:
        """Take note that somebody came, found no place, and nobody waited."""
        if self._full_at <= self.ended_at:
            self._full_at = now

    def due_at(self, patience_s: float) -> float:
        """Return from when on one more may be let through, in monotonic seconds."""
        return max(self.ended_at, self._full_at) + patience_s

    def begin(self, counted: int, limit: int, now: float) -> None:
        """Make a place for one more.

        Args:
            counted: attempts under way that are not from before a restart.
            limit: how many of them may be under way but for looks.
            now: monotonic seconds.
        """
        self.before = counted
        self.spare = counted - limit + 1
        self.ended_at = now

    def take(self, *, earlier: bool, answered: bool) -> int:
        """Take note of an end.

        Args:
            earlier: whether it began before the last look.
            answered: whether it was answered.

        Returns:
            How many attempts were found to hang: they hold no place from now on.
        """
        hanging = 0
        if earlier:
            self.before -= 1
        elif answered:
            hanging = self.before
        if answered:
            self.before = 0
        if self.spare > self.before:
            self.spare = self.before
        return hanging

    def forget(self, now: float) -> None:
        """Begin anew, as after an outage."""
        self.before = self.spare = 0
        self.ended_at = now
