"""Which of several attempts at once answers the caller (gRFC A6, Polly's hedging).

Rules:
1. The first success decides.
2. So does the first fatal end: one that a retry would not repeat.
3. A transient failure waits for the attempts beside it. The last of them stands for all if
   none decides.
4. A hedge that the gateway refused says nothing: it was only to be had if there was room.
   The first attempt's refusal is told like any other fatal end.

|           | success | fatal   | transient  | refused by the gateway   |
| first     | decides | decides | remembered | decides                  |
| a hedge   | decides | decides | remembered | ignored                  |
"""

import enum
from collections.abc import Set as AbstractSet

from gateway.core.outcome import Outcome
from gateway.interceptors.retry.decision import refused_by_gateway, repeatable


class _End(enum.Enum):
    SUCCESS = enum.auto()
    FATAL = enum.auto()
    TRANSIENT = enum.auto()
    REFUSED = enum.auto()


class _Effect(enum.Enum):
    DECIDES = enum.auto()
    REMEMBERED = enum.auto()
    IGNORED = enum.auto()


FIRST = 0
"""The number of the attempt that hedges run beside; theirs count from 1."""

_EFFECTS = {
    (True, _End.SUCCESS): _Effect.DECIDES,
    (True, _End.FATAL): _Effect.DECIDES,
    (True, _End.TRANSIENT): _Effect.REMEMBERED,
    (True, _End.REFUSED): _Effect.DECIDES,
    (False, _End.SUCCESS): _Effect.DECIDES,
    (False, _End.FATAL): _Effect.DECIDES,
    (False, _End.TRANSIENT): _Effect.REMEMBERED,
    (False, _End.REFUSED): _Effect.IGNORED,
}
"""(whether it is the first, how it ended) → what that means for the race."""


class Race:
    """Pure; see the rules above.

    Args:
        retryable_http_statuses: error answers that are not fatal.
    """

    __slots__ = ("_statuses", "decided", "outcome", "winner")

    def __init__(self, retryable_http_statuses: AbstractSet[int]) -> None:
        self._statuses = retryable_http_statuses
        self.decided = False
        self.winner = FIRST
        """Whose outcome it is."""
        self.outcome: Outcome | None = None
        """The caller's, or the last failure while nothing is decided."""

    def ended(self, number: int, outcome: Outcome) -> bool:
        """Take note that attempt `number` is over; tell whether that decides the race."""
        if self.decided:
            return False
        effect = _EFFECTS[number == FIRST, self._end(outcome)]
        if effect is _Effect.IGNORED:
            return False
        self.winner, self.outcome = number, outcome
        self.decided = effect is _Effect.DECIDES
        return self.decided

    def _end(self, outcome: Outcome) -> _End:
        if outcome.error is None:
            return _End.SUCCESS
        if refused_by_gateway(outcome.error):
            return _End.REFUSED
        if repeatable(outcome.error, self._statuses):
            return _End.TRANSIENT
        return _End.FATAL
