"""Which of several endpoints an attempt goes to: the cheaper of two drawn at random.

Two random choices spread load nearly as well as comparing all of them, in constant time
(Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"). PEAK_EWMA is
Finagle's cost: attempts under way times latency, where latency rises at once to a peak
and falls slowly.

Rules:
1. LEAST_REQUEST: the cost is the number of attempts under way. PEAK_EWMA: one more than
   that, times the latency, times the penalty.
2. The latency is that of successes: a longer one replaces it at once, a shorter one
   draws it down with a time constant of five seconds. Whatever else ends later than it
   (a failure, a cancellation) raises it too; what ends sooner says nothing, so that who
   fails fast does not look fast.
3. The penalty doubles with each failure in a row, up to 64; a success ends it.
4. An endpoint that was never measured costs as the others do in the mean.
5. The cost of an endpoint falls by the same time constant while nobody chooses it, and
   stands at its full height again once it is chosen: a slow endpoint is looked at now
   and then, by one attempt.
6. Silence counts as latency: an endpoint with attempts under way none of which has ended
   for longer than they usually take costs as if they took that long. Who has become slow,
   or hangs, is avoided before the first of its attempts has run out of time.
7. Endpoints that the call tried are not chosen while there is another.
"""

from collections.abc import Collection, Sequence
from math import exp
from typing import TypeVar

from gateway.core.clock import Rng
from gateway.downstream.endpoints.options import Balancing

_DECAY_S = 5.0
_MAX_PENALTY = 64.0
_MEAN_WEIGHT = 1 / 16


class Load:
    """What is known of an endpoint's load.

    Args:
        now: when it was found, in monotonic seconds.
    """

    __slots__ = (
        "_due",
        "_silent_since",
        "chosen_at",
        "in_flight",
        "latency_s",
        "measured_at",
        "penalty",
    )

    def __init__(self, now: float) -> None:
        self.in_flight = 0
        """Attempts under way."""
        self._due = 0  # those of them that ought to end soon
        self._silent_since = now
        self.latency_s = 0.0
        """0 where it was never measured."""
        self.penalty = 1.0
        self.chosen_at = self.measured_at = now

    def take(self, now: float, *, timed: bool = True) -> None:
        """Count an attempt as under way."""
        self.in_flight += 1
        self.chosen_at = now
        if timed:
            if not self._due:
                self._silent_since = now
            self._due += 1

    def give_back(self, now: float, *, timed: bool = True) -> None:
        """Count an attempt as over."""
        self.in_flight -= 1
        if timed:
            self._due -= 1
            self._silent_since = now

    def silence_s(self, now: float) -> float:
        """Return for how long no attempt has ended, while some ought to; in seconds."""
        return now - self._silent_since if self._due else 0.0

    def forget(self) -> None:
        """Count as never measured: it was away, and may have changed."""
        self.latency_s, self.penalty = 0.0, 1.0


_Load = TypeVar("_Load", bound=Load)


class Balancer:
    """Chooses, and learns from how attempts ended.

    Args:
        balancing: what is compared.
    """

    def __init__(self, balancing: Balancing) -> None:
        self._by_latency = balancing is Balancing.PEAK_EWMA
        self._mean_s = 0.0

    def pick(
        self, usable: Sequence[_Load], tried: Collection[object], now: float, rng: Rng
    ) -> _Load:
        """Return one of `usable`, which must not be empty."""
        if tried:
            usable = [load for load in usable if load not in tried] or usable
        count = len(usable)
        if count == 1:
            return usable[0]
        at = int(rng.random() * count)
        other_at = int(rng.random() * (count - 1))
        one, other = usable[at], usable[other_at if other_at < at else other_at + 1]
        if self._by_latency:
            return one if self._cost(one, now) <= self._cost(other, now) else other
        return one if one.in_flight <= other.in_flight else other

    def _cost(self, load: Load, now: float) -> float:
        latency_s = load.latency_s or self._mean_s or 1.0
        silence_s = load.silence_s(now)
        if silence_s > latency_s:
            latency_s = silence_s
        unseen = exp((load.chosen_at - now) / _DECAY_S)
        return (load.in_flight + 1) * latency_s * load.penalty * unseen

    def succeeded(self, load: Load, latency_s: float, now: float) -> None:
        """Learn from a success; a latency of 0 is none."""
        load.penalty = 1.0
        if latency_s <= 0:
            return
        mean_s = self._mean_s
        self._mean_s = mean_s + (latency_s - mean_s) * _MEAN_WEIGHT if mean_s else latency_s
        before_s = load.latency_s
        if latency_s < before_s:
            weight = exp((load.measured_at - now) / _DECAY_S)
            load.latency_s = latency_s + (before_s - latency_s) * weight
        else:
            load.latency_s = latency_s
        load.measured_at = now

    def failed(self, load: Load, duration_s: float, now: float) -> None:
        """Learn from a failure of the endpoint."""
        load.penalty = min(load.penalty * 2, _MAX_PENALTY)
        self.lasted(load, duration_s, now)

    def lasted(self, load: Load, duration_s: float, now: float) -> None:
        """Learn from what ended after `duration_s`, and was no answer to go by."""
        known_s = load.latency_s or self._mean_s
        if known_s and duration_s > known_s:
            load.latency_s = duration_s
            load.measured_at = now
