"""What the end of a call says to the record of its key. Pure.

Rules:
1. A success is kept, and so is a failure that the upstream decided (4xx): it is given again.
2. A failure before the upstream was reached leaves nothing behind, and so does one that the
   upstream refused without acting on it: not sent, 429, and the statuses that say that who
   asks is not known, may not, or came at a bad time (401, 403, 408, 421, 425).
3. Anything else is unknown: no answer, an answer cut short, 5xx. The upstream may have acted.
4. An answer that is none of the method's own (a fallback's, after the method itself was sent
   and failed unknown) says nothing of what the method did; the chain of fallbacks does not go
   on after such a failure, and marks its error as unknown.
"""

import enum

from gateway.core.errors import CallError, Origin, Sent
from gateway.core.outcome import Outcome

_NOT_ACTED_ON = frozenset((401, 403, 408, 421, 425, 429))
_HARMLESS = frozenset((Sent.NOT_SENT, Sent.REFUSED))


class Ending(enum.Enum):
    """What becomes of a record."""

    KEEP = "keep"
    FORGET = "forget"
    UNKNOWN = "unknown"


def ending_of(outcome: Outcome, attempts: int) -> Ending:
    """Return what the end of a call says.

    Args:
        outcome: of the call.
        attempts: that were begun for it.
    """
    error = outcome.error
    if error is None:
        return Ending.KEEP
    if not attempts or error.sent in _HARMLESS:
        return Ending.FORGET
    return Ending.KEEP if _decided(error) else _of_status(error)


def _decided(error: CallError) -> bool:
    status = error.http_status
    return (
        error.origin is Origin.UPSTREAM
        and status is not None
        and 400 <= status < 500
        and status not in _NOT_ACTED_ON
    )


def _of_status(error: CallError) -> Ending:
    told = error.origin is Origin.UPSTREAM and error.http_status in _NOT_ACTED_ON
    return Ending.FORGET if told else Ending.UNKNOWN
