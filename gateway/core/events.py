"""What happened, as frozen records handed to listeners.

Mechanisms know no metrics library and no logger: they emit one of these, and
`telemetry` listens. A listener is called in line and must not block or raise;
one that raises is reported once and never breaks the call.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.core.call import Call
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


class DrainStage(NamedTuple):
    """The end of the process has reached a stage."""

    stage: str
    calls_in_flight: int


Event = CallEnded | AttemptEnded | RetryScheduled | RetryGivenUp | DrainStage


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
