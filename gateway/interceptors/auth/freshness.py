"""When the keys behind a URL are asked for. Pure: `now` is an argument, in monotonic seconds.

Rules:
1. They are asked for at the start, and again `refresh_interval` after an answer, up to a
   tenth of it earlier, so that processes which began together do not ask together.
2. After a failure they are asked for again when `min_refresh_interval` has passed, up to a
   tenth later.
3. A call may cause a question (a key that is not known) where the last one began
   `min_refresh_interval` ago or more. However many calls there are, there is no more than one
   question in that time.
4. Keys are used for `max_stale` without an answer: an issuer that is down for an hour locks
   nobody out, and a key that was withdrawn does not hold for ever.
"""

from gateway.core.clock import Rng
from gateway.interceptors.auth.options import JwtOptions

_JITTER = 0.1


class Freshness:
    """The times of one URL.

    Attributes:
        due_at: when it is to be asked next.
        failing: whether the last question had no answer that can be used.
    """

    def __init__(self, options: JwtOptions, now: float) -> None:
        self._options = options
        self._asked_at = float("-inf")
        self._answered_at = float("-inf")
        self.due_at = now
        self.failing = False

    def may_ask(self, now: float) -> bool:
        """Tell whether a call may cause a question."""
        return now - self._asked_at >= self._options.min_refresh_interval_s

    def asked(self, now: float) -> None:
        """Take note that a question begins."""
        self._asked_at = now

    def answered(self, now: float, rng: Rng) -> None:
        """Take note of keys."""
        self._answered_at = now
        self.failing = False
        interval_s = self._options.refresh_interval_s
        self.due_at = now + interval_s * (1 - _JITTER * rng.random())

    def failed(self, now: float, rng: Rng) -> None:
        """Take note of a question without an answer that can be used."""
        self.failing = True
        pause_s = self._options.min_refresh_interval_s * (1 + _JITTER * rng.random())
        self.due_at = max(now, self._asked_at + pause_s)

    def is_stale(self, now: float) -> bool:
        """Tell whether the keys are too old to be used."""
        return now - self._answered_at > self._options.max_stale_s

    def wait_s(self, now: float) -> float:
        """Return the seconds until a call may cause a question again."""
        return max(0.0, self._asked_at + self._options.min_refresh_interval_s - now)
