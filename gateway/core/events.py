"""What happened, as frozen records handed to listeners.

Mechanisms know no metrics library and no logger: they emit one of these, and
`telemetry` listens. A listener is called in line and must not block or raise;
one that raises is reported once and never breaks the call.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError
from gateway.core.outcome import Outcome
from gateway.core.status import Code

_log = logging.getLogger(__name__)


class CallEnded(NamedTuple):
    """A call is over.

    Args:
        call: the record; listeners read it and keep no reference.
        code: the status that the caller sees.
        outcome: None where the call was cancelled or the gateway broke.
        duration_s: from arrival to the end.
    """

    call: Call
    code: Code
    outcome: Outcome | None
    duration_s: float


class AttemptEnded(NamedTuple):
    """One attempt is over; `attempt` counts from 1."""

    call: Call
    attempt: int
    outcome: Outcome | None
    duration_s: float


class RetryScheduled(NamedTuple):
    """A failed attempt will be repeated after `delay_s`; `attempt` is the one that failed."""

    call: Call
    attempt: int
    outcome: Outcome
    delay_s: float


class RetryGivenUp(NamedTuple):
    """A failed attempt is not repeated although it could have been; `why` is a short phrase."""

    call: Call
    attempt: int
    outcome: Outcome
    why: str


class HedgeSent(NamedTuple):
    """A second attempt was sent beside one that had taken `delay_s`; counts from 2."""

    call: Call
    attempt: int
    delay_s: float


class HedgeEnded(NamedTuple):
    """A hedged attempt is decided; `won` if the hedge's answer is the caller's."""

    call: Call
    won: bool


class CallRefused(NamedTuple):
    """A mechanism let a call or an attempt not through.

    Args:
        call: the record.
        mechanism: "breaker", "concurrency", "pacing", "endpoint", "overload", "serialize",
            "auth", "rate_limit", "validate", "webhook", "credentials".
        error: what it was told.
    """

    call: Call
    mechanism: str
    error: CallError


class BreakerChanged(NamedTuple):
    """A circuit breaker is in another state; `before` and `after` are lower-case names."""

    upstream: str
    name: str
    before: str
    after: str
    why: str


class EndpointChanged(NamedTuple):
    """An endpoint is in another state.

    Args:
        upstream: whose.
        address: HOST:PORT.
        state: "healthy", "ejected", "unhealthy", "unreachable", or "removed".
        why: a short phrase.
    """

    upstream: str
    address: str
    state: str
    why: str


class UpstreamReachability(NamedTuple):
    """The first endpoint of an upstream can be connected to, or the last no longer."""

    upstream: str
    reachable: bool
    why: str


class PacingChanged(NamedTuple):
    """Answers of 429 taught another rate; None where it was forgotten."""

    upstream: str
    requests_per_s: float | None
    why: str


class OverloadChanged(NamedTuple):
    """The process refuses more or less; `least` is the least criticality that is served."""

    least: str
    why: str


class FallbackUsed(NamedTuple):
    """A step of a fallback chain answered, or failed; `after` is what came before it."""

    call: Call
    step: str
    after: Outcome
    outcome: Outcome


class PartMissing(NamedTuple):
    """A part of a composed answer is missing."""

    call: Call
    part: str
    outcome: Outcome


class CacheAnswered(NamedTuple):
    """The cache was asked for a call's answer.

    Args:
        call: the record.
        state: "cached", "stale" and "negative" were kept; "fresh" came from the upstream;
            "missed" failed there, and nothing was kept.
        age_s: of what was kept.
    """

    call: Call
    state: str
    age_s: int


class CacheRefreshed(NamedTuple):
    """A stale answer was asked for anew in the background; `outcome` is how that ended."""

    method: MethodInfo
    outcome: Outcome


class CallCoalesced(NamedTuple):
    """A call got the answer of an equal one."""

    call: Call


class CallDeduplicated(NamedTuple):
    """A call got the answer of an equal one that was made before, or is under way."""

    call: Call


class RecordUnknown(NamedTuple):
    """A call with a key was sent, and nobody knows whether it had its effect.

    Args:
        call: the record.
        name: what operators know it by, "unknown-calls/…".
    """

    call: Call
    name: str


class CallBatched(NamedTuple):
    """A call was answered by an item of a bulk call."""

    call: Call


class BatchSent(NamedTuple):
    """A bulk call was made for single reads of so many keys."""

    call: Call
    keys: int


class LimitExceeded(NamedTuple):
    """A rate limit did not allow a call; `shadow` if the call went on all the same."""

    call: Call
    limit: str
    shadow: bool


class StoreChanged(NamedTuple):
    """A store that processes share answers again, or no longer.

    Args:
        store: what it is for: "limits".
        available: whether it answers.
        why: a short phrase, without addresses that may hold secrets.
    """

    store: str
    available: bool
    why: str


class OperationAccepted(NamedTuple):
    """A call is kept, and will be made."""

    method: MethodInfo
    operation: str


class OperationAttempted(NamedTuple):
    """An attempt of an operation has ended.

    Args:
        method: of the operation.
        operation: its id.
        attempt: its number, from 1.
        outcome: how it ended; a success where the upstream works on it still.
        next_in_s: until the next attempt; None where there is none.
    """

    method: MethodInfo
    operation: str
    attempt: int
    outcome: Outcome
    next_in_s: float | None


class OperationEnded(NamedTuple):
    """An operation has ended.

    Args:
        method: of the operation.
        operation: its id.
        state: "succeeded", "failed", "dead" (a dead letter), "cancelled".
        attempts: that it took.
        age_s: since it was accepted.
        why: of a failure; "" for a success.
    """

    method: MethodInfo
    operation: str
    state: str
    attempts: int
    age_s: float
    why: str


class MaterialChanged(NamedTuple):
    """Keys or certificates were read again.

    Args:
        kind: "certificate", "authorities", "api_keys", "jwks".
        name: whose: a listener's address, an upstream's or a provider's name.
        accepted: whether what was read is in use now; else what was there before is.
        why: a short phrase: what changed, or what is wrong with it.
    """

    kind: str
    name: str
    accepted: bool
    why: str


class ConfigChanged(NamedTuple):
    """Other configuration was looked at, or an override began or ended.

    Args:
        version: what is in use now: a short digest of it.
        accepted: whether what was looked at is in use; else what was there before is.
        why: a short phrase: what changed, or what is wrong with it.
    """

    version: str
    accepted: bool
    why: str


class AlertChanged(NamedTuple):
    """An alert fires, or no longer.

    Args:
        alert: its name, as its Prometheus rule has it.
        subject: whose it is: a method, an upstream, a limit; "" for the process.
        severity: "warning" or "critical".
        firing: whether it fires now.
        why: a sentence with the figure.
    """

    alert: str
    subject: str
    severity: str
    firing: bool
    why: str


class DrainStage(NamedTuple):
    """The end of the process has reached a stage."""

    stage: str
    calls_in_flight: int


Event = (
    CallEnded
    | AttemptEnded
    | RetryScheduled
    | RetryGivenUp
    | HedgeSent
    | HedgeEnded
    | CallRefused
    | BreakerChanged
    | EndpointChanged
    | UpstreamReachability
    | PacingChanged
    | OverloadChanged
    | FallbackUsed
    | PartMissing
    | CacheAnswered
    | CacheRefreshed
    | CallCoalesced
    | CallDeduplicated
    | RecordUnknown
    | CallBatched
    | BatchSent
    | LimitExceeded
    | OperationAccepted
    | OperationAttempted
    | OperationEnded
    | StoreChanged
    | MaterialChanged
    | ConfigChanged
    | AlertChanged
    | DrainStage
)


class Listener(Protocol):
    """Takes every event of the process."""

    def __call__(self, event: Event) -> None:
        """Take note of `event`; neither block nor raise."""


class Events:
    """Hands each event to every listener, in their order."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._listeners = tuple(listeners)

    def emit(self, event: Event) -> None:
        """Call every listener; one that raises is logged and left out of this event only."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("an event listener failed: %r", listener)
