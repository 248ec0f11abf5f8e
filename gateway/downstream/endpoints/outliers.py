"""Who fails more than the others, and for how long it is left out (gRFC A50).

Rules:
1. A row: `consecutive_failures` of an endpoint, none of its successes between them.
   A rate: at the end of an interval `failure_rate` of at least `minimum_calls` failed.
2. It is an outlier only where the others do better: of what they did meanwhile, at most
   half as large a share failed. If all fail alike it is the upstream, which is the
   breaker's business.
3. Before each ejection: there are `minimum_endpoints`, and with it no more than
   `max_ejected_share` of them are ejected, rounded down.
4. The n-th ejection lasts n times `base_ejection_s`, at most `max_ejection_s`, beyond
   which n does not grow. n falls by one for each interval that the endpoint was never
   ejected in.
5. Who comes back begins with nothing held against it. What an ejected endpoint still
   ends (attempts from before) counts for nothing.
6. Where endpoints go and the share would be passed, those that are nearest their end
   come back early.
7. Time is looked at in `advance`, which is due at `due_at`; where nothing was counted
   and nobody is ejected or was lately, that is never.
"""

from math import ceil
from typing import NamedTuple

from gateway.downstream.endpoints.options import OutlierOptions

_NEVER = float("inf")
_BETTER = 0.5
_ROUNDING = 1e-9
"""So that 0.29 of 100 is 29."""


class Record:
    """What is held against one endpoint."""

    __slots__ = (
        "calls",
        "ejected_until",
        "ejections",
        "failures",
        "failures_before",
        "returned",
        "row",
        "successes_before",
    )

    def __init__(self) -> None:
        self.calls = self.failures = 0
        """In this interval."""
        self.row = 0
        self.successes_before = self.failures_before = 0
        """Of all endpoints, when the row began."""
        self.ejections = 0
        """The n of rule 4."""
        self.ejected_until: float | None = None
        self.returned = False
        """In this interval."""

    def clear(self) -> None:
        """Hold nothing against it."""
        self.calls = self.failures = self.row = 0


class Change(NamedTuple):
    """An endpoint was ejected, or came back."""

    record: Record
    why: str


class OutlierDetector:
    """Watches the endpoints of one upstream.

    Args:
        options: thresholds and times.
    """

    def __init__(self, options: OutlierOptions) -> None:
        self._options = options
        self._most_ejections = max(1, ceil(options.max_ejection_s / options.base_ejection_s))
        self._records: list[Record] = []
        self._ejected = 0
        self._successes = self._failures = 0  # in all
        self._interval_ends_at = _NEVER

    def add(self) -> Record:
        """Return the record of an endpoint that is watched from now on."""
        record = Record()
        self._records.append(record)
        return record

    def remove(self, record: Record) -> list[Change]:
        """Forget an endpoint; return those that come back early."""
        self._records.remove(record)
        if record.ejected_until is not None:
            self._return(record)
        early = []
        while self._ejected > self._most():
            out = [record for record in self._records if record.ejected_until is not None]
            first = min(out, key=lambda record: record.ejected_until or 0.0)
            self._return(first)
            early.append(Change(first, "too few endpoints are left"))
        return early

    @property
    def due_at(self) -> float:
        """When `advance` has something to do, in monotonic seconds."""
        due_at = self._interval_ends_at
        if self._ejected:
            for record in self._records:
                if record.ejected_until is not None and record.ejected_until < due_at:
                    due_at = record.ejected_until
        return due_at

    def succeeded(self, record: Record, now: float) -> None:
        """Count an attempt that succeeded."""
        if record.ejected_until is None:
            self._successes += 1
            record.row = 0
            record.calls += 1
            if self._interval_ends_at == _NEVER:
                self._interval_ends_at = now + self._options.interval_s

    def failed(self, record: Record, now: float) -> Change | None:
        """Count an attempt that failed; return the ejection where that is one."""
        if record.ejected_until is not None:
            return None
        if not record.row:
            record.successes_before, record.failures_before = self._successes, self._failures
        self._failures += 1
        record.row += 1
        record.calls += 1
        record.failures += 1
        if self._interval_ends_at == _NEVER:
            self._interval_ends_at = now + self._options.interval_s
        if not 0 < self._options.consecutive_failures <= record.row or not self._has_place():
            return None
        successes = self._successes - record.successes_before
        failures = self._failures - record.failures_before - record.row
        if not successes or failures > successes:  # more than half of what the others did
            return None
        return self._eject(record, now, f"{record.row} failures in a row")

    def advance(self, now: float) -> list[Change]:
        """Look at the time; return who was ejected and who came back."""
        changes = []
        for record in self._records:
            if record.ejected_until is not None and record.ejected_until <= now:
                self._return(record)
                changes.append(Change(record, "its ejection is over"))
        if now >= self._interval_ends_at:
            changes += self._end_interval(now)
        return changes

    def _end_interval(self, now: float) -> list[Change]:
        in_use = [record for record in self._records if record.ejected_until is None]
        calls = sum(record.calls for record in in_use)
        changes = self._compare(in_use, now)
        for record in self._records:
            record.calls = record.failures = 0
            if record.ejected_until is None:
                record.ejections -= 1 if record.ejections and not record.returned else 0
                record.returned = False
        lately = self._ejected or any(record.ejections for record in self._records)
        self._interval_ends_at = now + self._options.interval_s if calls or lately else _NEVER
        return changes

    def _compare(self, in_use: list[Record], now: float) -> list[Change]:
        options = self._options
        calls = sum(record.calls for record in in_use)
        failures = sum(record.failures for record in in_use)
        changes: list[Change] = []
        if not options.failure_rate:
            return changes
        suspects = [
            (record.failures / record.calls, record)
            for record in in_use
            if record.calls >= max(1, options.minimum_calls)
        ]
        for rate, record in sorted(suspects, key=lambda suspect: suspect[0], reverse=True):
            others = calls - record.calls
            if rate < options.failure_rate or others < options.minimum_calls or not others:
                continue
            better = (failures - record.failures) / others <= rate * _BETTER
            if better and self._has_place():
                calls, failures = others, failures - record.failures
                changes.append(self._eject(record, now, f"{rate:.0%} of its attempts failed"))
        return changes

    def _most(self) -> int:
        count = len(self._records)
        if count < self._options.minimum_endpoints:
            return 0
        return int(count * self._options.max_ejected_share + _ROUNDING)

    def _has_place(self) -> bool:
        return self._ejected < self._most()

    def _eject(self, record: Record, now: float, why: str) -> Change:
        base_s, longest_s = self._options.base_ejection_s, self._options.max_ejection_s
        record.ejections = min(record.ejections + 1, self._most_ejections)
        record.clear()
        record.ejected_until = now + min(base_s * record.ejections, max(base_s, longest_s))
        self._ejected += 1
        return Change(record, why)

    def _return(self, record: Record) -> None:
        record.clear()
        record.ejected_until = None
        record.returned = True
        self._ejected -= 1
