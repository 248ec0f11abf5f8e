"""What of a traced call's events is kept in its span. A call that is not traced costs a look."""

from gateway.core.events import (
    CacheAnswered,
    CallCoalesced,
    CallDeduplicated,
    CallEnded,
    CallRefused,
    Event,
    FallbackUsed,
    HedgeSent,
    RetryGivenUp,
    RetryScheduled,
)
from gateway.core.tracing import CallTrace


def note_of(event: Event) -> None:
    """Keep what an event says in the span of its call, where there is one."""
    call = getattr(event, "call", None)
    trace: CallTrace | None = None if call is None else call.trace
    if trace is None:
        return
    match event:
        case CallEnded(ended, code, outcome):
            trace.ended(ended, code, None if outcome is None else outcome.error)
        case CacheAnswered(_, state, age_s):
            trace.note("seawall.cache", state)
            trace.note("seawall.cache.age", age_s)
        case RetryScheduled(_, attempt, outcome, delay_s):
            why = "" if outcome.error is None else str(outcome.error.reason)
            trace.event(
                "retry", {"seawall.attempt": attempt, "seawall.reason": why, "delay_s": delay_s}
            )
        case RetryGivenUp(_, attempt, _, why):
            trace.event("retry given up", {"seawall.attempt": attempt, "why": why})
        case HedgeSent():
            trace.event("hedge", {})
        case FallbackUsed(_, step, _, outcome):
            answered = outcome.error is None
            trace.event("fallback", {"seawall.fallback": step, "answered": answered})
        case CallRefused(_, mechanism, error):
            trace.event(
                "refused", {"seawall.mechanism": mechanism, "seawall.reason": str(error.reason)}
            )
        case CallCoalesced():
            trace.note("seawall.coalesced", True)
        case CallDeduplicated():
            trace.note("seawall.replayed", True)
        case _:
            pass
