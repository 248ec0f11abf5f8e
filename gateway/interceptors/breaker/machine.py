"""A circuit breaker as a pure machine: time comes as `now`, chance as `rng`.

Rules:
1. CLOSED lets everything through and counts. It opens after `consecutive_failures` in a row,
   or once the window holds `minimum_calls` of which the share that failed, or that took
   `slow_call_duration_s` or longer, has reached its rate. Any result may show that.
2. Successes and failures count. What is ignored does not, but for rule 8; it does not end a
   row of failures either.
3. OPEN lets nothing through until its time is over: `open_time_s`, times
   `open_time_multiplier` for every opening since everything last passed, drawn from
   `open_time_jitter` around it, and never beyond `max_open_time_s`. After a probe the time
   counts from when that probe was let through: it tells of the upstream as it was then. One
   that hung before the upstream recovered so does not keep it shut long after.
4. The first question after that makes it HALF_OPEN; no timer does.
5. HALF_OPEN has `probes` permits. One comes back with its attempt's result, with its cancel,
   or `probe_timeout_s` after it was taken. If no probe has been answered since it was taken,
   it opens again then, at the next question: an upstream that hangs would otherwise collect
   probes, and callers behind them. An attempt outlives its permit (rule 7).
6. `successes_to_close` successes close it. One failure opens it again, and so does one that
   is slow where `slow_call_rate` is on.
7. Each transition begins a generation. The results of attempts admitted in an earlier one are
   discarded: they tell of an upstream as it was. But what a probe that was given up as
   unanswered says later still counts, where it is no failure (that is known) and nothing
   but silence came between: by its answer the open breaker is half-open at once. So an
   upstream that is slower than a probe may be is used again.
8. An upstream that answers, only not in a way that says anything (4xx), is there: 20 ignored
   answers in one half-open generation, without a failure, close it. Otherwise traffic that
   gets 404 alone would be held to `probes` at a time for ever. Cancels are no answers.
9. FORCED_OPEN lets nothing through and MONITOR_ONLY everything, which still counts. Back to
   automatic, the one is half-open and the other closed.
10. CLOSED, HALF_OPEN and MONITOR_ONLY begin with an empty window. Open, it keeps what opened
    it. A row of failures ends with a success and with rule 7 where everything passes.
11. A permit is released once; again does nothing.

The states and their table are in `states.py`.
Sources: Resilience4j (rates, slow calls, permits), sony/gobreaker v2 (generations).
"""

from collections.abc import Callable

from gateway.core.clock import Rng
from gateway.interceptors.breaker.options import BreakerOptions, Mode
from gateway.interceptors.breaker.results import Result
from gateway.interceptors.breaker.states import TABLE, State, Trigger
from gateway.interceptors.breaker.window import CountWindow, TimeWindow, Window

IGNORED_ANSWERS_TO_CLOSE = 20
_NEVER = float("inf")
_OPERATOR = "an operator said so"

# Members are looked up through their class slowly, and these are needed in every call.
_FAILURE, _IGNORED = Result.FAILURE, Result.IGNORED
_IGNORED_ANSWER = Result.IGNORED_ANSWER
_PASSING = (State.CLOSED, State.MONITOR_ONLY)
_SILENT = (Trigger.PROBE_UNANSWERED, Trigger.OPEN_TIME_OVER, Trigger.PROBE_ANSWERED)
"""What ends no earlier probe's say; see rule 7."""
_FORCES = {
    Mode.AUTOMATIC: Trigger.AUTOMATIC,
    Mode.FORCED_OPEN: Trigger.FORCE_OPEN,
    Mode.MONITOR_ONLY: Trigger.MONITOR,
}


class Permit:
    """An attempt that was let through."""

    __slots__ = ("_machine", "expires_at", "generation")

    def __init__(self, machine: "Machine", generation: int, expires_at: float) -> None:
        self._machine: Machine | None = machine
        self.generation = generation
        self.expires_at = expires_at
        """When a probe's permit comes back by itself; infinity for what is no probe."""

    @property
    def is_probe(self) -> bool:
        """Whether it was given half-open."""
        return self.expires_at != _NEVER

    def release(self, result: Result, duration_s: float, now: float) -> None:
        """Say how the attempt ended; only the first time counts.

        Args:
            result: what it says about the upstream.
            duration_s: how long it took.
            now: monotonic seconds.
        """
        machine = self._machine
        if machine is not None:
            self._machine = None
            machine.end(self, result, duration_s, now)


class Machine:
    """The rules above.

    Args:
        options: as declared.
        rng: draws open times.
        on_change: told each change of state and why, once it is done.
    """

    __slots__ = (
        "_answered_at",
        "_consecutive_limit",
        "_failure_rate",
        "_held",
        "_ignored_answers",
        "_minimum_calls",
        "_oldest_heard",
        "_on_change",
        "_open_time_s",
        "_options",
        "_passing",
        "_rng",
        "_slow_duration_s",
        "_slow_rate",
        "_successes",
        "consecutive_failures",
        "generation",
        "open_until",
        "state",
        "why",
        "window",
    )

    def __init__(
        self,
        options: BreakerOptions,
        rng: Rng,
        on_change: Callable[[State, State, str], None],
    ) -> None:
        self._options = options
        self._rng = rng
        self._on_change = on_change
        self._consecutive_limit = options.consecutive_failures or _NEVER
        self._failure_rate = options.failure_rate or _NEVER
        self._slow_rate = options.slow_call_rate or _NEVER
        self._slow_duration_s = options.slow_call_duration_s
        size = options.window_calls
        self._minimum_calls = min(options.minimum_calls, size or options.minimum_calls)
        self.window: Window = CountWindow(size) if size else TimeWindow(options.window_s)
        self.consecutive_failures = 0
        self.generation = 0
        self._oldest_heard = 0
        """The first generation whose results count."""
        self._answered_at = -_NEVER
        """When a probe was last answered, one of this generation or of one that counts."""
        self.open_until = 0.0
        self.why = ""
        """Why it was last opened."""
        self._open_time_s = options.open_time_s
        self._held: dict[Permit, None] = {}
        self._successes = self._ignored_answers = 0
        self.state = {
            Mode.AUTOMATIC: State.CLOSED,
            Mode.FORCED_OPEN: State.FORCED_OPEN,
            Mode.MONITOR_ONLY: State.MONITOR_ONLY,
        }[options.mode]
        self._passing = self.state in _PASSING
        if self.state is State.FORCED_OPEN:
            self.why = _OPERATOR

    @property
    def outstanding(self) -> int:
        """Permits that probes hold, as far as expiries were looked at."""
        return len(self._held)

    def state_at(self, now: float) -> State:
        """Return the state; an open one whose time is over is half-open already."""
        over = self.state is State.OPEN and now >= self.open_until
        return State.HALF_OPEN if over else self.state

    def allows(self, now: float) -> bool:
        """Tell whether `acquire` would give a permit; takes none."""
        if self._passing:
            return True
        self._look_at(now)
        return self.state is State.HALF_OPEN and self.free_at() <= now

    def acquire(self, now: float) -> Permit | None:
        """Return a permit for one attempt, or None."""
        if self._passing:
            return Permit(self, self.generation, _NEVER)
        self._look_at(now)
        if self.state is not State.HALF_OPEN or self.free_at() > now:
            return None
        permit = Permit(self, self.generation, now + self._options.probe_timeout_s)
        self._held[permit] = None
        return permit

    def free_at(self) -> float:
        """Return from when on an attempt passes, as things stand, in monotonic seconds."""
        if self.state is State.OPEN:
            return self.open_until
        if self.state is State.FORCED_OPEN:
            return _NEVER
        if self._passing or len(self._held) < self._options.probes:
            return -_NEVER
        return next(iter(self._held)).expires_at  # the oldest: all are held equally long

    def end(self, permit: Permit, result: Result, duration_s: float, now: float) -> None:
        """Take note of an attempt's end; permits call this."""
        if permit.generation < self._oldest_heard:
            return
        if not self._passing:
            self._end_probe(permit, result, duration_s, now)
        elif result is not _IGNORED and result is not _IGNORED_ANSWER:
            self._count(result is _FAILURE, duration_s >= self._slow_duration_s, now)
            if self.state is State.CLOSED:
                self._judge(now)

    def force(self, mode: Mode, now: float) -> None:
        """Do as the operator says; saying it twice is saying it once."""
        trigger = _FORCES[mode]
        if trigger in TABLE[self.state]:
            if self.state is not State.OPEN:
                self.window.age(now)  # what is kept is what stood when it was forced
            self._enter(trigger, now, _OPERATOR)

    def reset(self, now: float) -> None:
        """Close it and forget what was counted; a forced state stays."""
        if Trigger.RESET in TABLE[self.state]:
            self._enter(Trigger.RESET, now, "it was reset")

    def _look_at(self, now: float) -> None:
        if self._held:
            self._expire(now)
        if self.state is State.OPEN and now >= self.open_until:
            self._enter(Trigger.OPEN_TIME_OVER, now, "its open time is over")

    def _expire(self, now: float) -> None:
        held, timeout_s = self._held, self._options.probe_timeout_s
        while held:
            oldest = next(iter(held))
            if oldest.expires_at > now:
                break
            if self._answered_at + timeout_s < oldest.expires_at:
                taken_at = oldest.expires_at - timeout_s
                self._enter(Trigger.PROBE_UNANSWERED, taken_at, "a probe was not answered in time")
                break
            del held[oldest]

    def _count(self, failed: bool, slow: bool, now: float) -> None:
        self.window.add(failed, slow, now)
        self.consecutive_failures = self.consecutive_failures + 1 if failed else 0

    def _end_probe(self, permit: Permit, result: Result, duration_s: float, now: float) -> None:
        self._held.pop(permit, None)
        if result is _IGNORED:
            return
        answer_ignored = result is _IGNORED_ANSWER
        failed = result is _FAILURE
        slow = not answer_ignored and duration_s >= self._slow_duration_s
        bad = failed or (slow and self._options.slow_call_rate > 0)
        if permit.generation != self.generation:
            if bad:
                return  # it has opened it already
            if self.state is State.OPEN:
                self._enter(Trigger.PROBE_ANSWERED, now, "a probe was answered, late")
        self._answered_at = now
        if answer_ignored:
            self._count_ignored_answer(now)
            return
        self._count(failed, slow, now)
        if bad:
            trigger = Trigger.PROBE_FAILED if failed else Trigger.PROBE_SLOW
            let_through_at = permit.expires_at - self._options.probe_timeout_s
            self._enter(trigger, let_through_at, "a probe failed" if failed else "a probe was slow")
        else:
            self._count_success(now)

    def _count_ignored_answer(self, now: float) -> None:
        self._ignored_answers += 1
        if self._ignored_answers >= IGNORED_ANSWERS_TO_CLOSE:
            why = f"{self._ignored_answers} answers were neither successes nor failures"
            self._enter(Trigger.PROBES_IGNORED, now, why)

    def _count_success(self, now: float) -> None:
        self._successes += 1
        if self._successes >= self._options.successes_to_close:
            self._enter(Trigger.PROBES_SUCCEEDED, now, "its probes succeeded")

    def _judge(self, now: float) -> None:
        row = self.consecutive_failures
        if row >= self._consecutive_limit:
            why = f"{row} failures in a row" if row > 1 else "a failure"
            self._enter(Trigger.CONSECUTIVE_FAILURES, now, why)
            return
        window = self.window
        calls = window.calls
        if calls < self._minimum_calls:
            return
        # Divided, not multiplied: 11 / 20 is the number written 0.55, 0.55 * 20 is above 11.
        if window.failures / calls >= self._failure_rate:
            why = f"{window.failures} of {calls} calls failed"
            self._enter(Trigger.FAILURE_RATE, now, why)
        elif window.slow / calls >= self._slow_rate:
            self._enter(Trigger.SLOW_CALL_RATE, now, f"{window.slow} of {calls} calls were slow")

    def _enter(self, trigger: Trigger, at: float, why: str) -> None:
        before = self.state
        after = TABLE[before][trigger]
        self.state = after
        self.generation += 1
        if trigger not in _SILENT:
            self._oldest_heard = self.generation
            self._answered_at = -_NEVER
        self._passing = after in _PASSING
        self._held.clear()
        self._successes = self._ignored_answers = 0
        if after is State.OPEN:
            self.open_until = at + self._draw_open_time()
        elif after is not State.FORCED_OPEN:
            self.window.clear()
        if self._passing:
            self.consecutive_failures = 0
            self._open_time_s = self._options.open_time_s
        if after in (State.OPEN, State.FORCED_OPEN):
            self.why = why
        if after is not before:
            self._on_change(before, after, why)

    def _draw_open_time(self) -> float:
        options = self._options
        middle_s = min(self._open_time_s, options.max_open_time_s)
        self._open_time_s = middle_s * options.open_time_multiplier
        low_s = middle_s * (1 - options.open_time_jitter)
        high_s = min(middle_s * (1 + options.open_time_jitter), options.max_open_time_s)
        return low_s + (high_s - low_s) * self._rng.random()
