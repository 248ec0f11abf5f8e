"""One call that a composed method makes: its way, its time, its answer.

Rules:
1. It enters the other method behind that one's decode step: at its fallback or encode,
   never at the edge. Authentication, limits and deadlines are the caller's call's.
2. It ends at the soonest of the caller's deadline (a moment earlier), its own timeout, and
   the time kept to put an answer together. An attempt under way ends at that moment by its
   own words, like one at a call's deadline; anything else ends as DEADLINE_EXCEEDED.
3. Its answer is kept here: the caller sees it when the composed method says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.core.call import Call, CallNext, MethodInfo, SubCall
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

MISSING = "seawall-missing"
"""Trailing metadata: a part that the answer lacks, and why ("orders=UNAVAILABLE")."""
ANSWERED_BY = "seawall-answered-by"
"""Trailing metadata: the fallback that answered."""

_RESERVE_SHARE = 0.05
_MAX_RESERVE_S = 0.1


@dataclass(frozen=True, slots=True)
class Entry:
    """Where calls of the gateway's own enter a method.

    Args:
        method: which.
        run: its pipeline, from behind decode inwards.
        request_type: class of its request, which `call.message` is to be.
        response_type: class of its answer.
        withheld: keys of the caller's metadata that its upstream is not meant to see.
    """

    method: MethodInfo
    run: CallNext
    request_type: Any
    response_type: Any
    withheld: frozenset[str] = frozenset()


EntryOf = Callable[[str], Entry]
"""Returns the entry of a method by its full name. Asked at the first call that needs it
and never again, so that entries may be made in any order."""


def ends_before(now: float, deadline_at: float, reserve_s: float | None) -> float:
    """Return when parts must have ended, in monotonic seconds.

    Args:
        now: monotonic seconds.
        deadline_at: of the whole call.
        reserve_s: what is kept to put the answer together, never more than half of what
            remains; None for 5 % of what remains, at most 0.1 s.
    """
    remaining_s = deadline_at - now
    if reserve_s is None:
        return deadline_at - min(_MAX_RESERVE_S, remaining_s * _RESERVE_SHARE)
    return deadline_at - min(reserve_s, remaining_s / 2)


class Part(SubCall):
    """A call on behalf of another, whose answer is kept.

    Args:
        parent: on whose behalf.
        method: which is called.
        message: the request.
        ends_at: monotonic seconds; the parent's deadline may be sooner.
    """

    __slots__ = ("answer",)

    def __init__(self, parent: Call, method: MethodInfo, message: Any, ends_at: float) -> None:
        super().__init__(parent, method=method, message=message, own_task=True)
        self.deadline_at = min(self.deadline_at, ends_at)
        self.answer = b""
        """The serialized answer, once there is one."""

    async def send(self, payload: bytes) -> None:
        """Keep the answer."""
        self.sent += 1
        self.answer = payload

    def keep_from(self, withheld: frozenset[str]) -> None:
        """Leave out metadata that is not meant for whoever is called."""
        if withheld:
            self.metadata = [pair for pair in self.metadata if pair[0] not in withheld]

    async def run(self, call_next: CallNext, clock: Clock) -> Outcome:
        """Make the call within its time."""
        began_at = clock.now()
        if self.deadline_at <= began_at:
            return failed(self._too_slow("was not called: no time is left"))
        try:
            with Expiry(clock, self.deadline_at) as self.expiry:
                return await call_next(self)
        except Expired:
            took_s = self.deadline_at - began_at
            return failed(self._too_slow(f"did not answer within {took_s:.3g} s"))
        except CallError as error:
            return failed(error)

    def _too_slow(self, what: str) -> CallError:
        return CallError(
            Code.DEADLINE_EXCEEDED,
            Reason.DEADLINE_EXCEEDED,
            f"{self.method.full_name} {what}",
            sent=Sent.UNKNOWN if self.attempts else Sent.NOT_SENT,
            transient=True,
        )
