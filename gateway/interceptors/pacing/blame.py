"""Whose affair the answers of 429 are: the rate's, or only that of some requests.

A quota of the upstream as a whole refuses less where less is sent. The quota of one tenant
refuses the same share of the answers at any rate that all tenants share: to lower it more and
more would starve the others, and end nothing.

1. A lesson is the *same again* where its share of 429s is at least half of the last lesson's,
   although the rate is at most 85 % of what was sent then. Neither holds of a rate that grew
   back to what the upstream takes.
2. Two that are the same again, one after the other, prove that the rate is not to blame. One
   does not: the first lesson may have come before the fall could be measured.
3. So does one at the lowest rate that is kept (lesson.py), a quarter of what once got through.
4. Half of the answers and more are the upstream's affair whoever they are meant for.
5. What is excused is a share. Twice as much of it is a lesson again, and half of the answers
   in any case.
6. An excuse holds a minute. One that is needed again soon holds twice as long, up to a
   quarter of an hour: each proof costs everybody a few seconds at a lower rate.
"""

import enum

_SAME_SHARE = 0.5
_LOWERED = 0.85
_PROOFS = 2
_MARGIN = 2.0
_WHOLE_SHARE = 0.5
_FIRST_EXCUSE_S = 60.0
_MAX_EXCUSE_S = 900.0


class Finding(enum.Enum):
    """What a lesson is about."""

    RATE = "rate"
    """Too much is sent, for all that is known."""
    OTHERS = "others"
    """The 429s are the affair of some requests, at any rate."""


class Blame:
    """What the lessons of one upstream have in common; instants are monotonic seconds."""

    __slots__ = (
        "_excuse_s",
        "_excused_share",
        "_excused_until",
        "_proofs",
        "_sent_per_s",
        "_share",
        "sent_per_s",
    )

    def __init__(self) -> None:
        self._share = 0.0
        self._sent_per_s = 0.0
        self._proofs = 0
        self._excused_share = 0.0
        self._excused_until = float("-inf")
        self._excuse_s = _FIRST_EXCUSE_S
        self.sent_per_s = 0.0
        """What was sent when there was no rate yet, or the upstream as a whole refused."""

    def excuses(self, now: float) -> bool:
        """Tell whether some 429s are known to be no fault of the rate."""
        return now < self._excused_until

    def least_share(self, usual: float, now: float) -> float:
        """Return the share of 429s that is a lesson; `usual` where nothing is excused."""
        if now >= self._excused_until:
            return usual
        return min(_WHOLE_SHARE, max(usual, self._excused_share * _MARGIN))

    def find(
        self,
        share: float,
        sent_per_s: float,
        rate_per_s: float | None,
        now: float,
        *,
        lowest: bool = False,
    ) -> Finding:
        """Return what a lesson is about.

        Args:
            share: of 429s among its answers.
            sent_per_s: requests a second that were answered.
            rate_per_s: the rate taught before it; None for none.
            now: monotonic seconds.
            lowest: whether the rate is one that must have been possible.
        """
        again = (
            rate_per_s is not None
            and rate_per_s <= self._sent_per_s * _LOWERED
            and self._share * _SAME_SHARE <= share < _WHOLE_SHARE
        )
        self._share, self._sent_per_s = share, sent_per_s
        if rate_per_s is None or share >= _WHOLE_SHARE:
            self.sent_per_s = sent_per_s
        self._proofs = self._proofs + 1 if again else 0
        if self._proofs < _PROOFS and not (lowest and share < _WHOLE_SHARE):
            return Finding.RATE
        self._excuse(share, now)
        return Finding.OTHERS

    def _excuse(self, share: float, now: float) -> None:
        soon = now - self._excused_until < self._excuse_s
        self._excuse_s = min(self._excuse_s * 2, _MAX_EXCUSE_S) if soon else _FIRST_EXCUSE_S
        self._excused_share = share
        self._excused_until = now + self._excuse_s
        self._proofs, self._sent_per_s = 0, 0.0
