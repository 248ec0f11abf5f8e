"""Which of several attempts at once answers the caller (gRFC A6, Polly's hedging).

A hedge may make a call better, never worse than it was with the first attempt alone.

Rules:
1. The first success decides.
2. So does an answer about the request, a 4xx other than 408 and 429: an attempt beside it
   would be told the same.
3. Any other end that a retry would not repeat is the attempt's own: 429 that does not say
   when, 500, an answer that nobody understands, what the gateway refused. The first
   attempt's decides, as it would alone. A hedge's says nothing.
4. A transient failure waits for the attempts beside it. The last of them stands for all if
   none decides.
5. Where a method has side effects, an attempt may see what another did: of two DELETEs the
   second is told that there is nothing. No failure decides there. A hedge's answer about
   the request is remembered like a transient failure. The first attempt's fatal end stands
   for all, unless a hedge succeeds that was sent already.

| side effects |         | success | about the request | fatal   | transient  |
| no           | first   | decides | decides           | decides | remembered |
| no           | a hedge | decides | decides           | ignored | remembered |
| yes          | first   | decides | stands            | stands  | remembered |
| yes          | a hedge | decides | remembered        | ignored | remembered |
"""

import enum

from gateway.core.errors import Origin
from gateway.core.outcome import Kind, Outcome
from gateway.interceptors.retry.decision import repeatable
from gateway.interceptors.retry.options import HedgeOptions


class _End(enum.Enum):
    SUCCESS = enum.auto()
    ABOUT_REQUEST = enum.auto()
    FATAL = enum.auto()
    TRANSIENT = enum.auto()


class _Effect(enum.Enum):
    DECIDES = enum.auto()
    STANDS = enum.auto()
    REMEMBERED = enum.auto()
    IGNORED = enum.auto()


FIRST = 0
"""The number of the attempt that hedges run beside; theirs count from 1."""

_EFFECTS = {
    (True, True, _End.SUCCESS): _Effect.DECIDES,
    (True, True, _End.ABOUT_REQUEST): _Effect.DECIDES,
    (True, True, _End.FATAL): _Effect.DECIDES,
    (True, True, _End.TRANSIENT): _Effect.REMEMBERED,
    (True, False, _End.SUCCESS): _Effect.DECIDES,
    (True, False, _End.ABOUT_REQUEST): _Effect.DECIDES,
    (True, False, _End.FATAL): _Effect.IGNORED,
    (True, False, _End.TRANSIENT): _Effect.REMEMBERED,
    (False, True, _End.SUCCESS): _Effect.DECIDES,
    (False, True, _End.ABOUT_REQUEST): _Effect.STANDS,
    (False, True, _End.FATAL): _Effect.STANDS,
    (False, True, _End.TRANSIENT): _Effect.REMEMBERED,
    (False, False, _End.SUCCESS): _Effect.DECIDES,
    (False, False, _End.ABOUT_REQUEST): _Effect.REMEMBERED,
    (False, False, _End.FATAL): _Effect.IGNORED,
    (False, False, _End.TRANSIENT): _Effect.REMEMBERED,
}
"""(no side effects, whether it is the first, how it ended) → what that means for the race."""


class Race:
    """Pure; see the rules above.

    Args:
        options: which error answers are not fatal, and whether the method has side effects.
    """

    __slots__ = ("_reads_only", "_statuses", "decided", "outcome", "stands", "winner")

    def __init__(self, options: HedgeOptions) -> None:
        self._statuses = options.retryable_http_statuses
        self._reads_only = options.reads_only
        self.decided = False
        self.stands = False
        """Whether only a success could still change the outcome."""
        self.winner = FIRST
        """Whose outcome it is."""
        self.outcome: Outcome | None = None
        """The caller's, or the failure that stands for all while nothing is decided."""

    def ended(self, number: int, outcome: Outcome) -> bool:
        """Take note that attempt `number` is over; tell whether that decides the race."""
        if self.decided:
            return False
        effect = _EFFECTS[self._reads_only, number == FIRST, self._end(outcome)]
        self.decided = effect is _Effect.DECIDES
        if effect is _Effect.IGNORED or (self.stands and not self.decided):
            return False
        self.winner, self.outcome = number, outcome
        self.stands = effect is _Effect.STANDS
        return self.decided

    def _end(self, outcome: Outcome) -> _End:
        error = outcome.error
        if error is None:
            return _End.SUCCESS
        if repeatable(error, self._statuses):
            return _End.TRANSIENT
        if outcome.kind is Kind.IGNORED and error.origin is Origin.UPSTREAM:
            return _End.ABOUT_REQUEST
        return _End.FATAL
