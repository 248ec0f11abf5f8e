"""What a method says of calls that must not happen twice, and what is read of a call."""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.call import Call
from gateway.core.flight import Landing


class InFlight(enum.Enum):
    """What a call is told whose equal is under way."""

    WAIT = 1
    ABORT = 2


class OnUnknown(enum.Enum):
    """What becomes of a key whose call's effect nobody knows."""

    HOLD = 1
    RESEND = 2
    LOOKUP = 3


class CallKey(NamedTuple):
    """The key of one call.

    Args:
        record: digest of caller, method and key: what is known again.
        header: what the upstream is sent, "" for nothing.
        derived: made of the request, for a window, and not given by the caller.
        doubtful: it was sent before by whoever kept no record, and nobody knows what that did.
    """

    record: bytes
    header: str
    derived: bool
    doubtful: bool = False


KeyOf = Callable[[Call], CallKey | None]
"""Returns the key of a decoded call, None where it has none; raises CallError for one that
cannot be a key."""

Lookup = Callable[[Call, CallKey], Awaitable[Landing | None]]
"""Finds out what became of a call: its answer, None where it had no effect; raises CallError
where that cannot be found out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeduplicationOptions:
    """See seawall.policy.v1.DeduplicationPolicy. Seconds.

    Args:
        required: a call without a key is refused.
        window_s: how long equal calls without a key are one; 0 where only keys count.
        retention_s: how long an answer is kept for its key.
        in_flight: what a call with a key is told whose equal is under way.
        window_in_flight: the same for one without a key.
        replay: whether a call within the window of one that is over gets its answer.
        on_unknown: what becomes of a key whose call's effect nobody knows.
        max_completion_s: how long a call that was sent may go on when its caller has left.
        header: what carries the key to the upstream, "" for nothing.
        lease_s: of a claim; it is renewed while the call runs.
    """

    required: bool = False
    window_s: float = 0.0
    retention_s: float = 86_400.0
    in_flight: InFlight = InFlight.WAIT
    window_in_flight: InFlight = InFlight.ABORT
    replay: bool = True
    on_unknown: OnUnknown = OnUnknown.HOLD
    max_completion_s: float = 120.0
    header: str = "idempotency-key"
    lease_s: float = 10.0
