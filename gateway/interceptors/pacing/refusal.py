"""Why an attempt may not wait for its turn, and what its caller is told."""

from typing import NamedTuple

from gateway.core.errors import CallError, Reason, refused
from gateway.core.status import Code


class Refusal(NamedTuple):
    """An attempt may not wait: `why`, and when its turn would come, in seconds from now."""

    retry_after_s: float
    why: str


def too_late(delay_s: float) -> Refusal:
    """Return the refusal of one whose turn would come in `delay_s`, after its deadline."""
    return Refusal(delay_s, "its turn would come after its deadline")


def paced(upstream: str, rate_per_s: float, refusal: Refusal, *, learned: bool) -> CallError:
    """Return the error of an attempt that may not wait for its turn.

    Args:
        upstream: its name.
        rate_per_s: the rate that holds, in requests a second.
        refusal: why, and when to come back.
        learned: whether answers of 429 taught the rate.
    """
    taught = ", as its answers of 429 taught" if learned else ""
    return refused(
        Code.RESOURCE_EXHAUSTED,
        Reason.PACED,
        f"upstream {upstream!r} is sent {rate_per_s:.3g} requests a second{taught}, "
        f"and {refusal.why}",
        upstream=upstream,
        retry_after_s=refusal.retry_after_s,
    )
