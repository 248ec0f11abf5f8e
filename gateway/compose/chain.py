"""What a fallback chain tries next, and for how long. No clock, no I/O.

Rules:
1. The method itself has its own time first: what is declared, or else half of what the
   call has where time that runs out may lead to a step that is called (rule 5), and all
   of it where it cannot.
2. After a failure that is listed, by status or by reason, the next step is tried; any
   other failure ends the chain, that of a step too.
3. A step has its share of what remains: time divided by the steps that still need any,
   where running out of it may lead to them (rule 5). A little is always kept, so that a
   fixed answer can be given or the end be told.
4. What may have had an effect is not done again elsewhere: after a failure with unknown
   effect of something that is not idempotent, no step is called. A fixed answer calls
   nothing and is always allowed.
5. Time that runs out leads to a step that is called only if there is one, if what ran out
   of it is idempotent (its request is under way, and its effect unknown), and if such a
   failure is listed. Keeping time for anything else would end requests that could have
   been answered.
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
_TIME_RAN_OUT = frozenset((Reason.DEADLINE_EXCEEDED, Reason.ATTEMPT_TIMEOUT))
"""Why what was given too little time fails; as a status, DEADLINE_EXCEEDED."""


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
    """Another upstream for the same request.

    Args:
        name: for the trailing metadata.
        upstream: its name.
        idempotent: whether the method is, over that upstream.
    """

    name: str
    upstream: str
    idempotent: bool = False


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
        primary_timeout_s: for the method itself; None for what rule 1 leaves it.
        idempotent: whether the method is.
    """

    steps: Sequence[Step]
    codes: frozenset[Code] = DEFAULT_CODES
    reasons: frozenset[Reason] = frozenset()
    primary_timeout_s: float | None = None
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Shares:
    """By how many the time that is left is divided; known before any call.

    Args:
        primary: for the method itself.
        steps: for each step; a fixed answer takes no time.
    """

    primary: int
    steps: tuple[int, ...]


def shares_of(options: FallbackOptions) -> Shares:
    """Return how the time of a call is divided."""
    listed = Code.DEADLINE_EXCEEDED in options.codes or not _TIME_RAN_OUT.isdisjoint(
        options.reasons
    )
    steps: list[int] = []
    called = 0
    for step in reversed(options.steps):
        if isinstance(step, FixedStep):
            steps.append(1)
            continue
        called += 1
        steps.append(called if listed and step.idempotent else 1)
    primary = 2 if called and listed and options.idempotent else 1
    return Shares(primary, tuple(reversed(steps)))


def primary_ends_at(timeout_s: float | None, now: float, deadline_at: float, share: int) -> float:
    """Return when the method itself is given up, in monotonic seconds.

    Args:
        timeout_s: declared, None where nothing is.
        now: monotonic seconds.
        deadline_at: of the call.
        share: by how many the time is divided where nothing is declared.
    """
    if timeout_s is None:
        timeout_s = (deadline_at - now) / share
    return min(now + timeout_s, ends_before(now, deadline_at, None))


def step_ends_at(now: float, deadline_at: float, share: int) -> float:
    """Return when a step is given up.

    Args:
        now: monotonic seconds.
        deadline_at: of the call.
        share: by how many the time is divided.
    """
    return now + (ends_before(now, deadline_at, None) - now) / share


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
