"""How long the methods of an upstream usually take, when there is no queue.

Rules:
1. Each method has its own usual time, so that fast and slow methods can be looked at
   together. It is the mean of logarithms, which spikes hardly move.
2. A method's first attempts make its usual time and tell nothing else: they are the least
   likely to have met a queue. The first are those that began before four were answered,
   and all of them count: the first answers are those of the shortest. What is known of a
   queue from other methods is taken off.
3. 20 ms more are nobody's trouble: they are added to both sides of every comparison, so
   that the jitter of a very fast service is no queue.
4. The number of methods is bounded; those beyond share one entry.
"""

from math import exp, log

SLACK_S = 0.020
_MAX_METHODS = 256
_FEW = 4
_SURELY_OVER = 1.5
_MEAN_GAIN = 0.1


class MethodTimes:
    """One method's times; `usual` is the mean logarithm of seconds, slack included."""

    __slots__ = (
        "_first_until",
        "_longest_s",
        "_recent",
        "_recent_sum",
        "_seen",
        "expected_s",
        "usual",
        "weight",
    )

    def __init__(self) -> None:
        self.usual = 0.0
        self.weight = 0.0
        """What a sample counts in a window; 0 while the method is not known."""
        self.expected_s = 0.0
        """What an attempt took lately, in seconds, queue and all; 0 before the first."""
        self._seen = 0
        self._first_until = 0.0
        self._longest_s = 0.0
        self._recent = 0
        self._recent_sum = 0.0

    def expect(self, duration_s: float) -> None:
        """Let the next attempt be expected to take what the last ones took."""
        if self.expected_s:
            self.expected_s += (duration_s - self.expected_s) * _MEAN_GAIN
        else:
            self.expected_s = duration_s

    def expect_at_least(self, duration_s: float) -> None:
        """Take note of an attempt that was not answered in that time."""
        if duration_s > self.expected_s:
            self.expect(min(duration_s, 2 * self.expected_s) or duration_s)

    def excess(self, duration_s: float, crowding: float, now: float) -> float:
        """Note a sample; return the logarithm of how many times as long as usual it is.

        Args:
            duration_s: how long the attempt took, in seconds.
            crowding: logarithm that a queue accounts for, for a method that is new.
            now: monotonic seconds.
        """
        logarithm = log(duration_s + SLACK_S)
        if not self.weight:
            self._meet(duration_s, logarithm - crowding, now)
            return 0.0
        excess = logarithm - self.usual
        self._recent += 1
        self._recent_sum += excess
        return excess

    def _meet(self, duration_s: float, logarithm: float, now: float) -> None:
        """Let one of the first attempts make the usual time."""
        if self._seen < _FEW:
            self._first_until = now
        if now - duration_s <= self._first_until:
            self._seen += 1
            self.usual += (logarithm - self.usual) / self._seen
            self._longest_s = max(self._longest_s, duration_s)
        if self._seen >= _FEW and now - self._first_until >= self._longest_s * _SURELY_OVER:
            self.weight = exp(self.usual / 2)

    def learn(self, patience: int, most: float) -> None:
        """Move the usual time towards the samples noted since the last time; forget them.

        Args:
            patience: so many samples move it half of the way, fewer where fewer were seen.
            most: and never more than this share of the way; 0 to learn nothing.
        """
        count = self._recent
        if not count:
            return
        gain = min(count / (count + min(patience, self._seen)), most)
        self.usual += self._recent_sum / count * gain
        self.weight = exp(self.usual / 2)
        self._seen += count if gain else 0
        self._recent = 0
        self._recent_sum = 0.0


class Baselines:
    """The times of every method of one upstream."""

    def __init__(self) -> None:
        self._times: dict[str, MethodTimes] = {}

    def __len__(self) -> int:
        return len(self._times)

    def of(self, method: str) -> MethodTimes:
        """Return the times of `method`, which may be new."""
        times = self._times.get(method)
        if times is None:
            key = method if len(self._times) < _MAX_METHODS else ""
            times = self._times.setdefault(key, MethodTimes())
        return times

    def learn(self, patience: int, most: float) -> None:
        """Let every method that was seen lately learn from it; see `MethodTimes.learn`."""
        for times in self._times.values():
            times.learn(patience, most)
