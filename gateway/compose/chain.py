"""What a fallback chain tries next, and for how long. No clock, no I/O.

Rules:
1. The method itself has its own time first, half of what the call has unless said
   otherwise.
2. After a failure that is listed, by status or by reason, the next step is tried; any
   other failure ends the chain, that of a step too.
3. A step has its share of what remains: time divided by the steps that still need any. A
   little is kept so that the end can be told.
4. What may have had an effect is not done again elsewhere: after a failure with unknown
   effect of something that is not idempotent, no step is called. A fixed answer calls
   nothing and is always allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.compose.mapping import MessageMapping
from gateway.compose.part import ends_before
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.status import Code

DEFAULT_CODES = frozenset(
    (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.INTERNAL)
)
HARMLESS = (Sent.NOT_SENT, Sent.REFUSED)
"""What has had no effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodStep:
    """Another method.

    Args:
        name: for the trailing metadata.
        method: its full name.
        request: makes its request of this method's.
        response: makes this method's answer of its.
        idempotent: whether it is.
    """

    name: str
    method: str
    request: MessageMapping
    response: MessageMapping
    idempotent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamStep:
    """Another upstream for the same request."""

    name: str
    upstream: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedStep:
    """A fixed answer, serialized."""

    name: str
    answer: bytes


Step = MethodStep | UpstreamStep | FixedStep


@dataclass(frozen=True, kw_only=True, slots=True)
class FallbackOptions:
    """See seawall.policy.v1.FallbackPolicy.

    Args:
        steps: in order.
        codes: statuses after which the next step is tried.
        reasons: the same by reason.
        primary_timeout_s: for the method itself; None for half of what the call has.
        idempotent: whether the method is.
    """

    steps: Sequence[Step]
    codes: frozenset[Code] = DEFAULT_CODES
    reasons: frozenset[Reason] = frozenset()
    primary_timeout_s: float | None = None
    idempotent: bool = False


def primary_ends_at(options: FallbackOptions, now: float, deadline_at: float) -> float:
    """Return when the method itself is given up, in monotonic seconds."""
    timeout_s = options.primary_timeout_s
    if timeout_s is None:
        timeout_s = (deadline_at - now) / 2
    return min(now + timeout_s, ends_before(now, deadline_at, None))


def step_ends_at(now: float, deadline_at: float, steps_left: int) -> float:
    """Return when a step is given up.

    Args:
        now: monotonic seconds.
        deadline_at: of the call.
        steps_left: steps that need time, this one included.
    """
    return now + (ends_before(now, deadline_at, None) - now) / steps_left


class Chain:
    """What may be tried next; no clock, no I/O."""

    __slots__ = ("_options", "acted")

    def __init__(self, options: FallbackOptions) -> None:
        self._options = options
        self.acted = False
        """Whether something that must not be done twice may have been done."""

    def goes_on(self, error: CallError, *, idempotent: bool) -> bool:
        """Tell whether the next step is tried after this failure.

        Args:
            error: of the method, or of a step.
            idempotent: whether what failed is.
        """
        if not idempotent and error.sent not in HARMLESS:
            self.acted = True
        return error.code in self._options.codes or error.reason in self._options.reasons
