"""What an operator may say of attempts under way; the values have the built-in defaults."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkheadOptions:
    """Attempts under way and waiting; see seawall.policy.v1.BulkheadPolicy.

    Args:
        max_in_flight: attempts under way at most; None leaves it to the adaptive limit.
        max_queued: attempts that wait for a place at most; 0 for none.
        max_wait_s: the longest wait, in seconds.
    """

    max_in_flight: int | None = None
    max_queued: int = 64
    max_wait_s: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaptiveOptions:
    """A limit that follows latency; see seawall.policy.v1.AdaptiveConcurrencyPolicy.

    Args:
        min_limit: it never falls below, but for the slow start.
        max_limit: it never rises above.
        initial_limit: at the start of the process.
        latency_tolerance: how many times as long as without a queue an answer may take.
        slow_start: whether it begins at one after an outage.
    """

    min_limit: int = 4
    max_limit: int = 200
    initial_limit: int = 32
    latency_tolerance: float = 2.0
    slow_start: bool = True
