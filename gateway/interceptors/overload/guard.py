"""Which calls the process still serves: a ladder of four steps.

What is refused is told at once and costs next to nothing, so that what is served is served
in time (Google's Site Reliability Engineering, chapter 21; Envoy's overload manager).

1. The event loop's lag is the median of the last five samples: one pause, however long,
   is one of five and moves nothing. Memory is the last share that was read.
2. A step up is taken at once, as high as either of the two asks for: lag above one, two
   and four times its limit; memory above its limit, and above each further third of what
   is left to all of it.
3. A step down is taken when both were below the step for a second: lag below three
   quarters of what led there, memory below a third of what was left. One step a second.
4. On the lowest step everything is served, on the highest what is CRITICAL_PLUS: that is
   never refused here.
5. Where there is no limit on memory, it is not looked at.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from gateway.core.criticality import Criticality
from gateway.core.errors import CallError, Reason, refused
from gateway.core.status import Code

_STEPS = (
    # what is still served, lag in limits, memory in shares of what the limit leaves
    (Criticality.SHEDDABLE_PLUS, 1.0, 0 / 3),
    (Criticality.CRITICAL, 2.0, 1 / 3),
    (Criticality.CRITICAL_PLUS, 4.0, 2 / 3),
)
_SAMPLES = 5
_CALM_LAG = 0.75
_CALM_MEMORY = 1 / 3
_CALM_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OverloadOptions:
    """See seawall.config.v1.Overload.

    Args:
        max_loop_lag_s: how late the event loop may be, in seconds.
        max_memory_share: how much of its memory limit the process may use, from 0 to 1.
    """

    max_loop_lag_s: float = 0.1
    max_memory_share: float = 0.9


class OverloadGuard:
    """Says what is served now; fed by a sampler, asked by every call.

    Args:
        options: the two limits.
    """

    __slots__ = ("_calm_since", "_lags", "_options", "_step", "least", "why")

    def __init__(self, options: OverloadOptions) -> None:
        self._options = options
        self._lags = deque([0.0] * _SAMPLES, maxlen=_SAMPLES)
        self._step = 0
        self._calm_since: float | None = None
        self.least = Criticality.SHEDDABLE
        """The least criticality that is served."""
        self.why = ""
        """What led to it, as a short phrase; empty while everything is served."""

    def observe(self, lag_s: float, memory_share: float | None, now: float) -> bool:
        """Take one sample.

        Args:
            lag_s: how late the event loop was, in seconds.
            memory_share: what is used of the limit, from 0 to 1; None without a limit.
            now: monotonic seconds.

        Returns:
            Whether `least` is another one now.
        """
        self._lags.append(lag_s)
        lag_s = median(self._lags)
        asked = self._step_of(lag_s, memory_share, calm=False)
        if asked > self._step:
            self._calm_since = None
            return self._move(asked, self._words(lag_s, memory_share, asked))
        if not self._step or self._step_of(lag_s, memory_share, calm=True) >= self._step:
            self._calm_since = None
            return False
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < _CALM_S:
            return False
        self._calm_since = now
        return self._move(self._step - 1, self.why if self._step > 1 else "")

    def _move(self, step: int, why: str) -> bool:
        self._step = step
        self.least = _STEPS[step - 1][0] if step else Criticality.SHEDDABLE
        self.why = why
        return True

    def _step_of(self, lag_s: float, memory_share: float | None, *, calm: bool) -> int:
        by_lag = self._by_lag(lag_s, _CALM_LAG if calm else 1.0)
        return max(by_lag, self._by_memory(memory_share, _CALM_MEMORY if calm else 0.0))

    def _by_lag(self, lag_s: float, ease: float) -> int:
        limit_s = self._options.max_loop_lag_s * ease
        return sum(lag_s > limit_s * limits for _, limits, _ in _STEPS)

    def _by_memory(self, share: float | None, ease: float) -> int:
        if share is None:
            return 0
        limit = self._options.max_memory_share
        return sum(share > limit + (1 - limit) * (left - ease) for _, _, left in _STEPS)

    def _words(self, lag_s: float, memory_share: float | None, step: int) -> str:
        if self._by_lag(lag_s, 1.0) >= step:
            return f"the event loop is {lag_s:.3g} s late"
        return f"{memory_share or 0:.0%} of the memory is used"


def overloaded(guard: OverloadGuard) -> CallError:
    """Return the error of a call that is less critical than what is served.

    Its caller is told not to repeat it by itself: that would be more of the same.
    """
    error = refused(
        Code.UNAVAILABLE,
        Reason.OVERLOADED,
        f"the gateway is overloaded ({guard.why}) and serves calls from {guard.least.name} upwards",
        retry_after_s=None,
    )
    error.pushback_s = -1
    return error
