"""What callers are told of limits: metadata of every answer, and the errors.

The metadata are the fields of draft-ietf-httpapi-ratelimit-headers, structured fields
(RFC 9651) in lower case, behind the last message:

    ratelimit-policy: "logins";q=5;w=900        so many calls in so many seconds
    ratelimit: "logins";r=3;t=412               so many left, all are back in so many seconds
    seawall-limit-mode: local_share             only while the shared store does not answer

Rules:
1. Limits are called by the name that the policy gives them. Keys are in none of it, nor are
   shadow limits.
2. Whole seconds are rounded up: who comes back then is not too early.
3. A call is told of every limit that refuses it, and to come back when all of them have
   room. Where that is never the case, no time is given.
"""

import math
from collections.abc import Sequence

from gateway.core.errors import CallError, Reason, Violation, refused
from gateway.core.status import Code
from gateway.state.limits import Algorithm, Limit, Verdict

POLICY = "ratelimit-policy"
STATE = "ratelimit"
MODE = "seawall-limit-mode"


def short_name(limit: Limit) -> str:
    """Return the name that the policy gives a limit."""
    return limit.name.rpartition(":")[2]


def policy_field(limits: Sequence[Limit]) -> str:
    """Return `ratelimit-policy` for limits of which none is a shadow."""
    return ", ".join(
        f"{item_name(limit)};q={limit.requests};w={max(1, math.ceil(limit.per_s))}"
        for limit in limits
    )


def item_name(limit: Limit) -> str:
    """Return the name of a limit as a structured field's string."""
    text = short_name(limit).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def rate_limited(refusing: Sequence[tuple[Limit, Verdict]]) -> CallError:
    """Return the error for a call that has no room.

    Args:
        refusing: the limits that refuse it, at least one.
    """
    wait_s = max(verdict.retry_after_s for _, verdict in refusing)
    spent = [Violation(short_name(limit), _described(limit)) for limit, _ in refusing]
    named = " and ".join(f"{one.field!r} ({one.description})" for one in spent)
    what = f"rate limit {named} is" if len(spent) == 1 else f"rate limits {named} are"
    never = math.isinf(wait_s)
    error = refused(
        Code.RESOURCE_EXHAUSTED,
        Reason.RATE_LIMITED,
        f"{what} exceeded by this call alone; it is never let through"
        if never
        else f"{what} used up; come back in {_rounded_up(wait_s)} s",
        retry_after_s=None if never else wait_s,
    )
    error.transient = not never
    error.exhausted = tuple(spent)
    return error


_STORE_DELAY_S = 1.0
"""A store that fails is tried again within two seconds."""


def store_unavailable() -> CallError:
    """Return the error for a call that nobody could count, under a limit that asks for it."""
    return refused(
        Code.UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        "the store of rate limits does not answer, and a limit of this method lets no call "
        "pass uncounted",
        retry_after_s=_STORE_DELAY_S,
    )


def _described(limit: Limit) -> str:
    calls = "1 call" if limit.requests == 1 else f"{limit.requests} calls"
    burst = limit.burst if limit.algorithm is Algorithm.GCRA else 0
    at_once = f", {burst} at once" if burst and burst != limit.requests else ""
    return f"{calls} in {limit.per_s:.12g} s{at_once}"


def _rounded_up(wait_s: float) -> str:
    # A thousandth of a second of tolerance: 0.3 * 10 is a little more than 3.
    step = 10 if wait_s < 10 else 1
    return f"{math.ceil(wait_s * step - 1e-3) / step:.10g}"
