"""Better, no worse or worse than Envoy: one rule for every case.

For each of success rate (more is better), attempts a call and the mean latency of the
slowest hundredth of the answered calls (less is better):

1. The difference of the medians must matter: half a point of success, 0.02 attempts a
   call, or a fifth of that latency. A smaller one is "no worse" whatever the noise.
2. It must be more than the noise: every repetition of one must be beyond every
   repetition of the other. Where the ranges overlap it is "no worse".
3. Otherwise it is "better" or "worse", as the medians say.
4. Where success is better or worse, attempts are judged for each answered call instead:
   who refuses more calls sends fewer on, and who answers more sends more.
5. Latency is judged where success is neither better nor worse: who answers other calls
   has other latencies.

Without Envoy, or without a run, there is no verdict.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from bench.chaos.figures import Standing, Summary

Verdict = Literal["better", "no worse", "worse"]

JUDGED = ("success", "attempts_per_call", "tail_ms")
"""The figures that are judged."""
_MATTERS: Mapping[str, float] = {"success": 0.005, "attempts_per_call": 0.02}
_MATTERS_OF_ENVOY: Mapping[str, float] = {"tail_ms": 0.2}
_MORE_IS_BETTER = {"success"}


def verdict(name: str, ours: Summary, theirs: Summary) -> Verdict:
    """Return how a figure compares with another's."""
    difference = ours.median - theirs.median
    apart = ours.least > theirs.most or ours.most < theirs.least
    matters = _MATTERS.get(name) or _MATTERS_OF_ENVOY[name] * theirs.median
    # A hair more than nothing, so that 0.995 is half a point below 1.
    if not apart or abs(difference) < matters - 1e-9:
        return "no worse"
    return "better" if (difference > 0) == (name in _MORE_IS_BETTER) else "worse"


def verdicts(ours: Standing, theirs: Standing | None) -> dict[str, Verdict | None]:
    """Return the verdict on each judged figure; None where one of them has no run."""
    found: dict[str, Verdict | None] = dict.fromkeys(JUDGED)
    if theirs is None or not ours.runs or not theirs.runs:
        return found
    found["success"] = _judged("success", "success", ours, theirs)
    alike = found["success"] == "no worse"
    figure = "attempts_per_call" if alike else "attempts_per_answer"
    found["attempts_per_call"] = _judged("attempts_per_call", figure, ours, theirs)
    if alike:
        found["tail_ms"] = _judged("tail_ms", "tail_ms", ours, theirs)
    return found


def _judged(name: str, figure: str, ours: Standing, theirs: Standing) -> Verdict | None:
    mine, yours = ours.summary(figure), theirs.summary(figure)
    return verdict(name, mine, yours) if mine and yours else None


def find(standings: Sequence[Standing], letter: str, name: str) -> Standing | None:
    """Return who of a case has that name."""
    for standing in standings:
        if standing.case.letter == letter and standing.contestant.name == name:
            return standing
    return None
