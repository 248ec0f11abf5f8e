"""The states of a circuit breaker, and the table of what leads from one to another.

    closed        consecutive_failures  open
    closed        failure_rate          open
    closed        slow_call_rate        open
    closed        force_open            forced_open
    closed        monitor               monitor_only
    closed        reset                 closed
    open          open_time_over        half_open
    open          probe_answered        half_open
    open          force_open            forced_open
    open          monitor               monitor_only
    open          reset                 closed
    half_open     probes_succeeded      closed
    half_open     probes_ignored        closed
    half_open     probe_failed          open
    half_open     probe_slow            open
    half_open     probe_unanswered      open
    half_open     force_open            forced_open
    half_open     monitor               monitor_only
    half_open     reset                 closed
    forced_open   automatic             half_open
    forced_open   monitor               monitor_only
    monitor_only  automatic             closed
    monitor_only  force_open            forced_open
    monitor_only  reset                 monitor_only

What is not in the table does not happen: a forced state is left by the operator only, and a
reset does not overrule a forced open. `transitions()` gives the same rows to whoever draws them.
Sources: Resilience4j (states, forced and metrics-only ones), sony/gobreaker v2.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class State(enum.StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    MONITOR_ONLY = "monitor_only"


class Trigger(enum.StrEnum):
    """What may lead to another state."""

    CONSECUTIVE_FAILURES = "consecutive_failures"
    FAILURE_RATE = "failure_rate"
    SLOW_CALL_RATE = "slow_call_rate"
    OPEN_TIME_OVER = "open_time_over"
    PROBES_SUCCEEDED = "probes_succeeded"
    PROBES_IGNORED = "probes_ignored"
    PROBE_FAILED = "probe_failed"
    PROBE_SLOW = "probe_slow"
    PROBE_UNANSWERED = "probe_unanswered"
    PROBE_ANSWERED = "probe_answered"
    FORCE_OPEN = "force_open"
    MONITOR = "monitor"
    AUTOMATIC = "automatic"
    RESET = "reset"


_S, _T = State, Trigger

TABLE: Mapping[State, Mapping[Trigger, State]] = MappingProxyType(
    {
        _S.CLOSED: {
            _T.CONSECUTIVE_FAILURES: _S.OPEN,
            _T.FAILURE_RATE: _S.OPEN,
            _T.SLOW_CALL_RATE: _S.OPEN,
            _T.FORCE_OPEN: _S.FORCED_OPEN,
            _T.MONITOR: _S.MONITOR_ONLY,
            _T.RESET: _S.CLOSED,
        },
        _S.OPEN: {
            _T.OPEN_TIME_OVER: _S.HALF_OPEN,
            _T.PROBE_ANSWERED: _S.HALF_OPEN,
            _T.FORCE_OPEN: _S.FORCED_OPEN,
            _T.MONITOR: _S.MONITOR_ONLY,
            _T.RESET: _S.CLOSED,
        },
        _S.HALF_OPEN: {
            _T.PROBES_SUCCEEDED: _S.CLOSED,
            _T.PROBES_IGNORED: _S.CLOSED,
            _T.PROBE_FAILED: _S.OPEN,
            _T.PROBE_SLOW: _S.OPEN,
            _T.PROBE_UNANSWERED: _S.OPEN,
            _T.FORCE_OPEN: _S.FORCED_OPEN,
            _T.MONITOR: _S.MONITOR_ONLY,
            _T.RESET: _S.CLOSED,
        },
        _S.FORCED_OPEN: {
            _T.AUTOMATIC: _S.HALF_OPEN,
            _T.MONITOR: _S.MONITOR_ONLY,
        },
        _S.MONITOR_ONLY: {
            _T.AUTOMATIC: _S.CLOSED,
            _T.FORCE_OPEN: _S.FORCED_OPEN,
            _T.RESET: _S.MONITOR_ONLY,
        },
    }
)


class Transition(NamedTuple):
    """One row of the table."""

    before: State
    trigger: Trigger
    after: State


def transitions() -> tuple[Transition, ...]:
    """Return every transition there is, in the order of the table, for diagrams."""
    return tuple(
        Transition(before, trigger, after)
        for before, row in TABLE.items()
        for trigger, after in row.items()
    )
