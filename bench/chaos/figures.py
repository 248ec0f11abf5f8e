"""From what the clients saw to figures: of one run, and over repetitions.

The time to recover is the first moment after the fault's end from which, over the
calls of the next two seconds, the success rate is back to 95 % of what it was before the
fault. It is looked for at the end itself and at every arrival after it; a run that ends
before is infinite. A call counts by the moment it was to begin.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.chaos.calls import Ended, worst_lag_s
from bench.chaos.cases import Case
from bench.chaos.contestants import Contestant
from bench.chaos.trial import Run

RECOVERED_SHARE = 0.95
RECOVERY_WINDOW_S = 2.0
LAG_MS = 100.0
"""A client that began a call later than this was held up by the machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One run.

    Attributes:
        calls: that the clients made.
        success: share of them that was answered within the deadline.
        p50_ms, p99_ms: latency of these, from the moment a call was to begin; None
            where there were none.
        tail_ms: the mean of the slowest hundredth of these; None where there were none. It
            says what became of the unlucky, where p99 is one call at the edge.
        goodput_per_s: answered within the deadline, a second.
        goodput_by_class: the same by criticality, in the order of the case.
        attempts_per_call: requests that reached the upstream, for each call.
        recover_s: None where the fault has no end, infinite where it was not seen.
        wasted: requests that were served when their caller had gone.
        max_concurrency: requests at once in the busiest endpoint, its queue included.
        busy: the contestant's share of its core; None where not known.
        lag_ms: how late the client began a call, at most.
        statuses: how the calls ended.
    """

    calls: int
    success: float
    p50_ms: float | None
    p99_ms: float | None
    tail_ms: float | None
    goodput_per_s: float
    goodput_by_class: tuple[float, ...]
    attempts_per_call: float
    recover_s: float | None
    wasted: int
    max_concurrency: int
    busy: float | None
    lag_ms: float
    statuses: dict[str, int]

    @property
    def attempts_per_answer(self) -> float:
        """Requests that reached the upstream, for each call that was answered."""
        return self.attempts_per_call / self.success if self.success else math.inf


def figures(case: Case, run: Run) -> Figures:
    """Return the figures of a run."""
    good = [call for call in run.calls if call.good]
    took_ms = sorted(call.took_s * 1000 for call in good)
    statuses: dict[str, int] = {}
    for call in run.calls:
        statuses[call.status] = statuses.get(call.status, 0) + 1
    by_class = (
        sum(call.criticality == name for call in good) / case.seconds for name in case.classes
    )
    return Figures(
        calls=len(run.calls),
        success=success_rate(run.calls),
        p50_ms=quantile(took_ms, 0.50),
        p99_ms=quantile(took_ms, 0.99),
        tail_ms=tail(took_ms, 0.01),
        goodput_per_s=len(good) / case.seconds,
        goodput_by_class=tuple(by_class),
        attempts_per_call=run.upstream.get("received", 0) / max(1, len(run.calls)),
        recover_s=time_to_recover(run.calls, case.fault_s),
        wasted=run.upstream.get("wasted", 0),
        max_concurrency=run.upstream.get("max_concurrency", 0),
        busy=run.busy,
        lag_ms=worst_lag_s(run.calls) * 1000,
        statuses=statuses,
    )


def success_rate(calls: Sequence[Ended]) -> float:
    """Return the share of calls that were answered; 0 of none."""
    return sum(call.good for call in calls) / len(calls) if calls else 0.0


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that `share` of an ordered sequence does not exceed; None of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def tail(ordered: Sequence[float], share: float) -> float | None:
    """Return the mean of the last `share` of an ordered sequence, at least of one; None of none."""
    return statistics.fmean(ordered[-max(1, round(share * len(ordered))) :]) if ordered else None


def time_to_recover(calls: Sequence[Ended], fault_s: tuple[float, float | None]) -> float | None:
    """Return the seconds from the fault's end until calls succeed as before it.

    Returns:
        None where the fault has no end, infinity where the run ends first.
    """
    begins_s, ends_s = fault_s
    if ends_s is None:
        return None
    ordered = sorted(calls)
    wanted = RECOVERED_SHARE * success_rate([call for call in ordered if call.at_s < begins_s])
    after = [call for call in ordered if call.at_s >= ends_s]
    last_s = ordered[-1].at_s if ordered else 0.0
    for moment in (ends_s, *(call.at_s for call in after)):
        if moment + RECOVERY_WINDOW_S > last_s:
            break
        window = [c for c in after if moment <= c.at_s < moment + RECOVERY_WINDOW_S]
        if window and success_rate(window) >= wanted:
            return moment - ends_s
    return math.inf


@dataclass(slots=True)
class Standing:
    """A contestant in a case, with a run for each repetition so far."""

    case: Case
    contestant: Contestant
    runs: list[Figures] = field(default_factory=list)
    problem: str | None = None

    def values(self, name: str) -> list[float]:
        """Return a figure of each repetition, where it is known."""
        found = [getattr(run, name) for run in self.runs]
        return [value for value in found if value is not None]

    def summary(self, name: str) -> "Summary | None":
        """Return a figure over the repetitions; None where it is not known."""
        return summarize(self.values(name))

    def by_class(self) -> list["Summary"]:
        """Return the goodput of each criticality over the repetitions."""
        columns = zip(*(run.goodput_by_class for run in self.runs), strict=True)
        return [Summary(statistics.median(c), min(c), max(c)) for c in columns]


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure over the repetitions."""

    median: float
    least: float
    most: float

    def show(self, form: Callable[[float], str]) -> str:
        """Return "median (least-most)", the median alone where they do not differ."""
        least, most, median = form(self.least), form(self.most), form(self.median)
        return median if least == most else f"{median} ({least}-{most})"


def summarize(values: Sequence[float]) -> Summary | None:
    """Return median, least and most; None of no values."""
    return Summary(statistics.median(values), min(values), max(values)) if values else None
