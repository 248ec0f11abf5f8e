"""The attempts of a short time, added up so that one look tells how crowded it was.

Rules:
1. What is added is the logarithm of how many times as long as usual an attempt took. In
   logarithms a spike of twenty times is an addend of three: one of them among twenty
   ordinary samples says nothing, a queue behind which all of them stood says it at once.
2. A sample weighs as the square root of its method's usual time, so that neither a
   cheap method that waited behind a dear one nor a rare report decides alone.
3. What is not known well is said to be so: every level comes with its variance.
"""

from math import log
from typing import NamedTuple

_PRIOR_SPREAD = 0.5
"""Variance of one logarithm that a window has before its samples say otherwise, weighing
as much as one of them: services with exponential times have 1.6, constant ones 0."""
_LEAST_SHARE = 0.01


class Level(NamedTuple):
    """A logarithm and the variance of what is known of it."""

    value: float
    variance: float


class Window:
    """Sums over the attempts that ended since `opens_at`.

    Args:
        opens_at: monotonic seconds; what ends before says nothing and is left out.
    """

    __slots__ = (
        "_squares",
        "_sum",
        "_weight",
        "_weight_squares",
        "answers",
        "drops",
        "last_at",
        "near",
        "opens_at",
        "total_s",
    )

    def __init__(self, opens_at: float) -> None:
        self.opens_at = opens_at
        self.last_at = opens_at
        self.answers = 0
        """Attempts that were answered."""
        self.drops = 0
        """Attempts whose end spoke of overload."""
        self.near = 0
        """Attempts that ended while the limit was nearly reached."""
        self.total_s = 0.0
        self._weight = 0.0
        self._weight_squares = 0.0
        self._sum = 0.0
        self._squares = 0.0

    def add(self, excess: float, weight: float, duration_s: float) -> None:
        """Add an answer that took e^`excess` times as long as usual."""
        self.answers += 1
        self.total_s += duration_s
        if weight:
            weighted = weight * excess
            self._weight += weight
            self._weight_squares += weight * weight
            self._sum += weighted
            self._squares += weighted * excess

    @property
    def count(self) -> int:
        """Attempts in all."""
        return self.answers + self.drops

    @property
    def evidence(self) -> float:
        """How many samples of equal weight would tell as much."""
        if not self._weight:
            return 0.0
        return self._weight * self._weight / self._weight_squares

    @property
    def mean_s(self) -> float:
        """How long an answer took on average, in seconds."""
        return self.total_s / self.answers if self.answers else 0.0

    @property
    def drop_share(self) -> float:
        """Which share of the attempts was dropped."""
        return self.drops / self.count if self.count else 0.0

    def crowding(self) -> Level | None:
        """Return how many times as long as usual answers took; None where no one knows."""
        if not self._weight:
            return None
        evidence = self.evidence
        mean = self._sum / self._weight
        spread = max(0.0, self._squares / self._weight - mean * mean)
        return Level(mean, (evidence * spread + _PRIOR_SPREAD) / (evidence + 1) / evidence)

    def dropping(self) -> Level:
        """Return which share of the attempts was dropped."""
        share = max(self.drop_share, _LEAST_SHARE)
        return Level(log(share), (1 - share) / (share * max(1, self.count)))
