"""The places of one upstream: who has one, who waits, and who is refused.

Rules:
1. A place is one attempt under way. There are as many as the bulkhead says, or the
   adaptive limit, whichever is less.
2. Who finds a place takes it at once; there is none while others wait.
3. A place that becomes free goes to the next in line (line.py) who can still use it. Who
   has less time left than an attempt of its method takes is refused: when it comes, when
   that time is over, and once more at its turn. Where that is not known, the deadline ends
   the wait, and not this file.
4. Every place that was taken is given back once, with its ticket. After a restart the
   attempts from before hold no place of the adaptive limit: an outage may leave many that
   wait for answers that never come. They still count for the bulkhead and for `max_limit`.
5. Where every place is taken and nothing ends, one more is let through from time to time
   (looks.py), within the bulkhead and `max_limit`. Once such a look is answered, it was an
   outage: attempts from before it hold no place any more, as after a restart, and the limit
   begins at one, unless it is on its way up already.
"""

import enum
import sys
from math import inf

from gateway.core.criticality import Criticality
from gateway.interceptors.concurrency.adaptive import AdaptiveLimit
from gateway.interceptors.concurrency.baselines import Baselines, MethodTimes
from gateway.interceptors.concurrency.line import Line, Refusal, Waiter, Why
from gateway.interceptors.concurrency.looks import Looks, patience_s
from gateway.interceptors.concurrency.options import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.concurrency.phases import Phase

_LEAST_RETRY_S = 0.01
_SERVICE_GAIN = 0.05


class Verdict(enum.Enum):
    """What the end of an attempt says about the limit."""

    OK = "ok"
    """It was answered; how long that took is real."""
    OVERLOADED = "overloaded"
    """The upstream said that it had too much to do, or did not answer in time."""
    IGNORED = "ignored"
    """Nothing: it was cancelled, or failed for another reason."""


class Places:
    """The places of one upstream. Pure: `now`, monotonic seconds, is an argument.

    Args:
        bulkhead: bounds of places and of the line; None for the built-in line.
        adaptive: the limit that follows latency; None for none.
        now: when it begins.
    """

    __slots__ = (
        "_adaptive",
        "_baselines",
        "_cap",
        "_earlier",
        "_ever",
        "_first",
        "_line",
        "_looks",
        "_max_wait_s",
        "_room",
        "_service_s",
        "_slow_start",
        "generation",
        "in_flight",
        "limit",
    )

    def __init__(
        self, bulkhead: BulkheadOptions | None, adaptive: AdaptiveOptions | None, now: float
    ) -> None:
        bulkhead = bulkhead or BulkheadOptions()
        self._baselines = Baselines()
        self._adaptive = None if adaptive is None else AdaptiveLimit(adaptive, self._baselines, now)
        self._cap = bulkhead.max_in_flight or sys.maxsize
        self._ever = self._cap if adaptive is None else min(self._cap, adaptive.max_limit)
        self._line = Line(bulkhead.max_queued, bulkhead.max_wait_s)
        self._max_wait_s = bulkhead.max_wait_s
        self._slow_start = adaptive is not None and adaptive.slow_start
        self._looks = Looks()
        self._first = 0
        """The lowest ticket that holds a place; those below are from before a restart."""
        self._earlier = 0
        self._service_s = 0.0
        self.in_flight = 0
        """Attempts under way, those from before a restart included."""
        self.generation = 0
        """The ticket of a place that is taken now."""
        self.limit = 0
        """How many attempts may be under way."""
        self._room = 0
        self._fit()

    @property
    def queued(self) -> int:
        """Attempts that wait."""
        return len(self._line)

    def _fit(self) -> None:
        adaptive = self._adaptive
        if adaptive is None:
            self.limit = self._room = self._cap
        else:
            limit = adaptive.limit
            self.limit = limit if limit < self._cap else self._cap
            self._room = min(limit + self._earlier + self._looks.spare, self._ever)

    # Coming

    def try_acquire(self) -> bool:
        """Take a place if there is one, with the ticket `generation`.

        Where there is one nobody waits: each place that becomes free is handed on at once.
        """
        if self.in_flight < self._room:
            self.in_flight += 1
            return True
        return False

    def times_of(self, method: str) -> MethodTimes:
        """Return what is known of a method."""
        return self._baselines.of(method)

    def would_refuse(self, criticality: Criticality) -> bool:
        """Tell whether an attempt that comes now could not even wait."""
        return self.in_flight >= self._room and not self._line.has_room(criticality)

    def would_look(self, method: str, now: float) -> bool:
        """Tell whether an attempt that `would_refuse` spoke of would be let through as a look."""
        if not self._line:
            self._looks.found_full(now)
        return now >= self.looks_at(self.times_of(method))

    def fullness(self) -> Refusal:
        """Return what an attempt is told that `would_refuse` spoke of."""
        return Refusal(Why.FULL, 0.0, self.in_flight, len(self._line), 0.0, 0.0)

    def join(self, waiter: Waiter, now: float) -> Refusal | None:
        """Let an attempt wait that found no place, or refuse it.

        It may be decided on before this returns, where a look is due.
        """
        if not self._can_finish(waiter, now):
            return self.refusal(Why.TOO_LATE, waiter, now)
        if not self._line:
            self._looks.found_full(now)
        if now >= self.looks_at(waiter.times):
            self._line.append(waiter)
            self._look(now)
            return None
        if not self._line.has_room(waiter.criticality):
            return self.refusal(Why.FULL, waiter, now)
        displaced = self._line.displace()
        self._line.append(waiter)
        if displaced is not None:
            displaced.decide(self.refusal(Why.DISPLACED, displaced, now))
        return None

    # Waiting

    def leaves_at(self, waiter: Waiter) -> float:
        """Return when an attempt stops waiting, in monotonic seconds."""
        waits_until = waiter.since + self._max_wait_s
        expected_s = waiter.times.expected_s
        return min(waits_until, waiter.deadline_at - expected_s) if expected_s else waits_until

    def wakes_at(self, waiter: Waiter) -> float:
        """Return when `wake` is to be called for an attempt that waits."""
        return min(self.leaves_at(waiter), self.looks_at(waiter.times))

    def wake(self, waiter: Waiter, now: float) -> None:
        """Refuse an attempt that has waited long enough, or let a look through if one is due."""
        if now >= self.leaves_at(waiter):
            self.expire(waiter, now)
        elif now >= self.looks_at(waiter.times):
            self._look(now)

    def expire(self, waiter: Waiter, now: float) -> None:
        """Refuse an attempt that has waited until `leaves_at`, if it still waits."""
        if self._line.remove(waiter):
            waited = now >= waiter.since + self._max_wait_s
            why = Why.WAITED if waited else Why.TOO_LATE
            waiter.decide(self.refusal(why, waiter, now))

    def leave(self, waiter: Waiter) -> bool:
        """Take a cancelled attempt out of the line; False where it no longer waits."""
        return self._line.remove(waiter)

    def _can_finish(self, waiter: Waiter, now: float) -> bool:
        return waiter.deadline_at - now >= waiter.times.expected_s

    def looks_at(self, times: MethodTimes) -> float:
        """Return from when on an attempt that finds no place is let through as a look.

        Args:
            times: of its method.

        Returns:
            Monotonic seconds; infinity where it may not be.
        """
        adaptive = self._adaptive
        if adaptive is None or self.in_flight >= self._ever or self._room >= self._ever:
            return inf
        expected_s = max(times.expected_s, self._service_s)
        ramping = adaptive.phase is Phase.RAMPING
        return self._looks.due_at(patience_s(expected_s, ramping=ramping))

    def _look(self, now: float) -> None:
        """Let one more through than there are places."""
        adaptive = self._adaptive
        assert adaptive is not None  # there are no looks without
        self._looks.begin(self.in_flight - self._earlier, adaptive.limit, now)
        self.generation += 1
        self._fit()
        self._serve(now)

    def _serve(self, now: float) -> None:
        """Hand free places to those who wait."""
        line = self._line
        while line and self.in_flight < self._room:
            waiter = line.next()
            if line.waited_too_long(waiter, now):
                waiter.decide(self.refusal(Why.WAITED, waiter, now))
            elif not self._can_finish(waiter, now):
                waiter.decide(self.refusal(Why.TOO_LATE, waiter, now))
            else:
                self.in_flight += 1
                waiter.ticket = self.generation
                waiter.decide(None)

    # Going

    def release(
        self, method: str, duration_s: float, verdict: Verdict, now: float, ticket: int
    ) -> None:
        """Give a place back.

        Args:
            method: the attempt's.
            duration_s: how long it was under way, in seconds.
            verdict: what its end says.
            now: monotonic seconds.
            ticket: which the place was taken with.
        """
        in_flight = self.in_flight
        self.in_flight = in_flight - 1
        adaptive, looks = self._adaptive, self._looks
        if ticket < self._first:
            self._earlier -= 1
            self._fit()
            if self._line:
                self._serve(now)
            return
        looks.ended_at = now
        if looks.before:
            self._end_look(ticket, verdict, now)
        if verdict is Verdict.OK:
            times = self._baselines.of(method)
            times.expect(duration_s)
            self._service_s += (duration_s - self._service_s) * _SERVICE_GAIN
            if adaptive is not None:
                before = adaptive.limit
                adaptive.answered(times, duration_s, in_flight - self._earlier, now)
                if adaptive.limit != before:
                    self._fit()
        elif verdict is Verdict.OVERLOADED:
            self._baselines.of(method).expect_at_least(duration_s)
            if adaptive is not None:
                adaptive.dropped(duration_s, in_flight - self._earlier, now)
                self._fit()
        if self._line:
            self._serve(now)

    def restart(self, now: float) -> None:
        """Begin again with one place, after an outage."""
        if self._adaptive is None or not self._slow_start:
            return
        self._adaptive.restart(now)
        self._looks.forget(now)
        self._earlier = self.in_flight
        self.generation += 1
        self._first = self.generation
        self._fit()
        self._serve(now)

    def _end_look(self, ticket: int, verdict: Verdict, now: float) -> None:
        """Take note of an end while attempts from before a look are under way."""
        answered = verdict is Verdict.OK
        hanging = self._looks.take(earlier=ticket < self.generation, answered=answered)
        if hanging:
            self._earlier += hanging
            self._first = self.generation
            adaptive = self._adaptive
            if adaptive is not None and self._slow_start and adaptive.phase is not Phase.RAMPING:
                adaptive.restart(now)
        self._fit()

    def retry_after_s(self) -> float:
        """Estimate when those who wait now will have gone, in seconds."""
        if not self._service_s:
            return self._max_wait_s
        return max(_LEAST_RETRY_S, (len(self._line) + 1) * self._service_s / self.limit)

    def refusal(self, why: Why, waiter: Waiter, now: float) -> Refusal:
        """Return what an attempt that was not let in is told."""
        return Refusal(
            why,
            now - waiter.since,
            self.in_flight,
            len(self._line),
            waiter.times.expected_s,
            waiter.deadline_at - now,
        )
