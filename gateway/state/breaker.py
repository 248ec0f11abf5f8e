"""When a store is asked at all: its own breaker. Pure.

Rules:
1. CLOSED: questions are asked. `failures` of them failing within `window_s` open it.
2. OPEN: none is asked, until `open_s` are over; after each probe that fails twice as long,
   at most `max_open_s`.
3. HALF_OPEN: one question, the probe, is asked; none beside it. It succeeds: CLOSED. It fails:
   OPEN. It ends with neither (its call was cancelled): the next question is the probe.
4. What failed before the breaker opened and is told later counts for nothing.
"""

import enum
from collections import deque
from dataclasses import dataclass


class State(enum.Enum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreBreakerOptions:
    """See seawall.config.v1.State. Seconds.

    Args:
        failures: that open it.
        window_s: within which they must fall.
        open_s: how long it stays open the first time.
        max_open_s: the longest.
    """

    failures: int = 5
    window_s: float = 10.0
    open_s: float = 0.5
    max_open_s: float = 5.0


class StoreBreaker:
    """`now` is monotonic seconds, and never goes back.

    Args:
        options: see above.
    """

    def __init__(self, options: StoreBreakerOptions | None = None) -> None:
        self._options = options or StoreBreakerOptions()
        self._failed: deque[float] = deque(maxlen=self._options.failures)
        self._open_s = self._options.open_s
        self._opened_until = 0.0
        self._generation = 0
        self.state = State.CLOSED

    def ask(self, now: float) -> int | None:
        """Return what to tell the end of a question by; None where it must not be asked."""
        if self.state is State.OPEN and now >= self._opened_until:
            self.state = State.HALF_OPEN
            self._generation += 1
            return self._generation
        return self._generation if self.state is State.CLOSED else None

    def retry_after_s(self, now: float) -> float:
        """Return when it makes sense to ask again, from now."""
        return max(0.0, self._opened_until - now) if self.state is State.OPEN else self._open_s

    def trip(self, now: float) -> None:
        """Open it, to be probed at once: for a store that nobody has reached yet."""
        self._open(now)
        self._opened_until = now

    def succeeded(self, question: int) -> bool:
        """Take note of an answer; return whether the store is asked again because of it."""
        if question != self._generation or self.state is not State.HALF_OPEN:
            return False
        self.state = State.CLOSED
        self._failed.clear()
        self._open_s = self._options.open_s
        return True

    def failed(self, question: int, now: float) -> bool:
        """Take note of a failure; return whether the store is not asked any more."""
        if question != self._generation:
            return False
        if self.state is State.HALF_OPEN:
            self._open_s = min(self._open_s * 2, self._options.max_open_s)
            self._open(now)
            return False
        self._failed.append(now)
        if len(self._failed) < self._options.failures or (
            now - self._failed[0] > self._options.window_s
        ):
            return False
        self._open(now)
        return True

    def abandoned(self, question: int, now: float) -> None:
        """Take note that nobody will hear how a question ended."""
        if question == self._generation and self.state is State.HALF_OPEN:
            self.state, self._opened_until = State.OPEN, now

    def _open(self, now: float) -> None:
        self.state = State.OPEN
        self._opened_until = now + self._open_s
        self._generation += 1
        self._failed.clear()
