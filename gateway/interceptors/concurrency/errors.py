"""What an attempt is told that was not let in."""

from gateway.core.errors import CallError, Reason, refused
from gateway.core.status import Code
from gateway.interceptors.concurrency.line import Refusal, Why


def concurrency_limit(
    upstream: str, refusal: Refusal, limit: int, retry_after_s: float
) -> CallError:
    """Return the error for a refusal; times in seconds."""
    busy = f"upstream {upstream!r} has {refusal.in_flight} attempts under way, its limit is {limit}"
    match refusal.why:
        case Why.FULL:
            then = f"and {refusal.queued} wait already"
        case Why.DISPLACED:
            then = f"and a more critical call took its room after {refusal.waited_s:.3g} s"
        case Why.WAITED:
            then = f"and none became free in {refusal.waited_s:.3g} s"
        case Why.TOO_LATE:
            then = (
                f"and the {max(0.0, refusal.remaining_s):.3g} s left to this one are less than"
                f" the {refusal.expected_s:.3g} s that an attempt takes"
            )
    return refused(
        Code.RESOURCE_EXHAUSTED,
        Reason.CONCURRENCY_LIMIT,
        f"{busy}, {then}",
        upstream=upstream,
        retry_after_s=retry_after_s,
    )
