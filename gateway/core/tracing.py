"""What the way of a call knows of traces: that a call may have one, and its attempts parts of it.

Who makes them (OpenTelemetry) is not known here. A call without a trace has None, and costs one
look at that.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.core.call import Call
    from gateway.core.errors import CallError
    from gateway.core.outcome import Outcome
    from gateway.core.status import Code


class AttemptTrace(Protocol):
    """One attempt, from its beginning on."""

    headers: Mapping[str, str]
    """What tells the upstream whose part it is (W3C Trace Context), names in lower case."""

    def end(self, call: "Call", outcome: "Outcome | None") -> None:
        """Say how it ended; None where it was cancelled."""


class CallTrace(Protocol):
    """One call that is traced."""

    def attempt(self, call: "Call", number: int, upstream: str) -> AttemptTrace:
        """Begin an attempt of the call, or of one that it makes; `number` counts from 1."""

    def note(self, name: str, value: str | int | bool) -> None:
        """Keep something of the call: "seawall.cache", "stale"."""

    def ended(self, call: "Call", code: "Code", error: "CallError | None") -> None:
        """Say how the call ended."""

    def event(self, name: str, said: Mapping[str, str | int | float | bool]) -> None:
        """Keep that something happened now."""
