"""One absolute deadline a call, fixed on arrival.

Rules:
1. The deadline is the smaller of the caller's and the method's maximum; without
   a caller's, the method's default (itself no longer than the maximum).
2. The gateway answers a margin before the caller's own deadline, so that details
   arrive: the smaller of `margin_s` and 5 % of the time the caller gave. A caller may
   tell more than it has, and what it may have added comes on top: gRPC's core keeps two
   to three digits of a timeout, rounded up, and sends one of its last few timeouts again
   where that is longer by less than 3 % (both to compress headers; timeout_encoding.cc
   and hpack_encoder.cc of grpc/grpc). Of the latter a quarter of a second is allowed for.
3. Running out is DEADLINE_EXCEEDED, whoever notices first. An attempt under way claims
   the ending and names its upstream; everything else (queues, backoffs, a target that
   takes no timeout) ends here. A queue whose own timer was a hair earlier, and refuses
   at the deadline, is told as the deadline too.
4. A deadline already past is answered without calling anything.
5. Where the call is finished without its caller (deduplication), the error says so.
"""

from dataclasses import dataclass

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

_MARGIN_SHARE = 0.05
_WIRE_STEPS_S = ((1.0, 0.0), (10.0, 0.01), (100.0, 0.1), (1000.0, 1.0))
"""Timeouts under the first are rounded up by at most the second, in seconds."""
_WIRE_STEP_SHARE = 0.01
"""The same for longer ones, as a share."""
_WIRE_REUSE_SHARE = 0.03
"""An earlier timeout that is told again is longer by less than this share of itself."""
_MOST_REUSED_S = 0.25
"""More is not given up for it: a long call may lose its details rather than seconds."""
_GOES_ON = (
    "; the call itself goes on: made again with the same idempotency key, it is given its answer"
)
_QUEUES = frozenset((Reason.CONCURRENCY_LIMIT, Reason.PACED, Reason.SERIALIZED))
"""Refusals of what lets calls wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadlineOptions:
    """Seconds; see seawall.policy.v1.DeadlinePolicy."""

    default_s: float = 15.0
    maximum_s: float = 60.0
    margin_s: float = 0.020


def effective_deadline(
    options: DeadlineOptions, arrived_at: float, client_deadline_at: float | None
) -> float:
    """Return when the gateway stops working on a call, in monotonic seconds."""
    longest = arrived_at + options.maximum_s
    if client_deadline_at is None:
        return min(arrived_at + options.default_s, longest)
    given_s = client_deadline_at - arrived_at
    margin_s = max(0.0, min(options.margin_s, given_s * _MARGIN_SHARE))
    reused_s = min(max(0.0, given_s) * _WIRE_REUSE_SHARE, _MOST_REUSED_S)
    told_too_much_s = _wire_step_s(given_s) + reused_s
    return min(client_deadline_at - margin_s - told_too_much_s, longest)


def _wire_step_s(given_s: float) -> float:
    for under_s, step_s in _WIRE_STEPS_S:
        if given_s < under_s:
            return step_s
    return given_s * _WIRE_STEP_SHARE


def deadline_exceeded(call: Call, waited_s: float, attempt: CallError | None) -> CallError:
    """Return the error for a call whose time ran out.

    Args:
        call: the call.
        waited_s: from its arrival to its deadline.
        attempt: how the attempt under way ended, where there was one.
    """
    tried = {0: "before an attempt was made", 1: "during the first attempt"}.get(
        call.attempts, f"during attempt {call.attempts}"
    )
    return CallError(
        Code.DEADLINE_EXCEEDED,
        Reason.DEADLINE_EXCEEDED,
        f"the deadline ran out after {waited_s:.3g} s, {tried}"
        + (f" of upstream {attempt.upstream!r}" if attempt is not None else "")
        + (_GOES_ON if call.goes_on else ""),
        origin=Origin.GATEWAY if attempt is None else attempt.origin,
        sent=Sent.UNKNOWN if call.attempts else Sent.NOT_SENT,
        transient=True,
        upstream="" if attempt is None else attempt.upstream,
    )


class DeadlineInterceptor:
    """Ends the call at its deadline."""

    name = "deadline"

    def __init__(self, options: DeadlineOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the call until its deadline."""
        deadline_at = effective_deadline(self._options, call.arrived_at, call.client_deadline_at)
        call.deadline_at = deadline_at
        if deadline_at <= self._clock.now():
            return self._exceeded(call)
        try:
            with Expiry(self._clock, deadline_at) as call.expiry:
                outcome = await call_next(call)
        except Expired:
            return self._exceeded(call)
        error = outcome.error
        if error is not None and self._clock.now() >= deadline_at:
            if error.reason is Reason.ATTEMPT_TIMEOUT:
                return self._exceeded(call, error)
            if error.reason in _QUEUES:
                return self._exceeded(call)
        return outcome

    def _exceeded(self, call: Call, attempt: CallError | None = None) -> Outcome:
        waited_s = max(0.0, call.deadline_at - call.arrived_at)
        return failed(deadline_exceeded(call, waited_s, attempt))
