"""What is declared of a breaker."""

import enum
from dataclasses import dataclass


class Mode(enum.Enum):
    """What an operator decides; see seawall.policy.v1.BreakerPolicy.Mode."""

    AUTOMATIC = 1
    FORCED_OPEN = 2
    MONITOR_ONLY = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerOptions:
    """Seconds, shares and counts; see seawall.policy.v1.BreakerPolicy.

    Args:
        consecutive_failures: opens after so many in a row; 0 is never.
        failure_rate: opens when this share of the window failed; 0 is never.
        slow_call_rate: opens when this share of the window was slow; 0 is never.
        slow_call_duration_s: from when on an attempt is slow.
        minimum_calls: what the window must hold before a rate says anything. A window of
            fewer calls says it when it is full.
        window_s: how far back the window reaches; more than 0.
        window_calls: a window of so many calls instead; 0 counts by time.
        failure_http_statuses: answers that are failures.
        open_time_s: how long it stays open the first time.
        open_time_multiplier: growth of that until it closes; 1 or more.
        max_open_time_s: it never stays open longer at a time.
        open_time_jitter: the open time is drawn from this share around it.
        probes: let through at once while half-open; 1 or more.
        successes_to_close: while half-open; 1 or more.
        probe_timeout_s: how long a probe holds its permit; more than 0.
        mode: what the operator decides at first.
        max_keys: circuits of a keyed breaker kept at once; 1 or more.
    """

    consecutive_failures: int = 20
    failure_rate: float = 0.8
    slow_call_rate: float = 0.0
    slow_call_duration_s: float = 5.0
    minimum_calls: int = 20
    window_s: float = 10.0
    window_calls: int = 0
    failure_http_statuses: frozenset[int] = frozenset((502, 503, 504))
    open_time_s: float = 0.2
    open_time_multiplier: float = 1.5
    max_open_time_s: float = 0.4
    open_time_jitter: float = 0.1
    probes: int = 2
    successes_to_close: int = 2
    probe_timeout_s: float = 0.25
    mode: Mode = Mode.AUTOMATIC
    max_keys: int = 1000
