"""How a method or an upstream has done lately: frozen records for admin, alerts and `seawall top`.

What counts (`telemetry/statistics.py`) makes them; who shows or judges them knows no events.
"""

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """What an operator is to think of it."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of what ended in a window, in seconds."""

    min_s: float
    mean_s: float
    max_s: float
    p50_s: float
    p95_s: float
    p99_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """The last failure: its gRPC code and reason, its sentence, and how long ago it was."""

    code: str
    reason: str
    message: str
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of one method (its calls) or one upstream (its attempts) in a window.

    Args:
        name: "panel.v1.OrderService/GetOrder", or the upstream's name.
        window_s: how far back it goes.
        successes: that ended well.
        failures: that count against it. What callers got wrong, or gave up, is neither.
        ignored: neither success nor failure.
        latency: of successes and failures; None where there were none.
        last_error: None where there was none since the start.
        unavailable_for_s: since when nothing has succeeded while something failed; 0 where not.
        standing: of all that.
    """

    name: str
    window_s: float
    successes: int
    failures: int
    ignored: int
    latency: Latency | None
    last_error: LastError | None
    unavailable_for_s: float
    standing: Standing

    @property
    def failure_rate(self) -> float:
        """Failures among successes and failures, 0 to 1; 0 where there were none."""
        total = self.successes + self.failures
        return self.failures / total if total else 0.0
