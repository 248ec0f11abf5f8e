"""What a pacer hands out: a place in its line, and the news of a changed rate."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.core.criticality import Criticality
from gateway.interceptors.pacing.refusal import Refusal


class Ticket:
    """A place in the line."""

    __slots__ = ("criticality", "deadline_at", "refusal", "wake")

    def __init__(self, deadline_at: float, criticality: Criticality) -> None:
        self.deadline_at = deadline_at
        self.criticality = criticality
        self.refusal: Refusal | None = None
        """Set where it was put out of the line."""
        self.wake: Callable[[], object] | None = None
        """Called when it is the first of the line, or was refused; may be called again."""

    def refuse(self, refusal: Refusal) -> None:
        """Tell whoever waits with it that it is out of the line."""
        self.refusal = refusal
        if self.wake is not None:
            self.wake()


class News(NamedTuple):
    """Another rate, or None where the taught one was forgotten, and why."""

    rate_per_s: float | None
    why: str
