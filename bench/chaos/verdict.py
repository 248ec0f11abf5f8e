"""Better than Envoy, alike, or worse: one rule for every case.

For each of success rate (more is better), attempts a call and the mean latency of the
slowest hundredth of the answered calls (less is better):

1. Contestants are compared seed by seed, for the runs of one seed meet the same arrivals
   and the same fate. What counts is the median of these differences.
2. It must matter: half a point of success, 0.02 attempts a call, or a fifth of Envoy's
   latency. A smaller one is "alike".
3. One that matters is "better" or "worse" where every seed agrees on the direction, and
   "unclear" where they do not.
4. Where success is better or worse, attempts are judged for each answered call instead:
   who refuses more calls sends fewer on, and who answers more sends more.
5. Latency is judged where success is alike: who answers other calls has other latencies.

Without Envoy, or without a run, there is no verdict.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from bench.chaos.figures import Standing

Verdict = Literal["better", "alike", "unclear", "worse"]

JUDGED = ("success", "attempts_per_call", "tail_ms")
"""The figures that are judged."""
_MATTERS: Mapping[str, float] = {
    "success": 0.005,
    "attempts_per_call": 0.02,
    "attempts_per_answer": 0.02,
}
_MATTERS_OF_ENVOY: Mapping[str, float] = {"tail_ms": 0.2}
_MORE_IS_BETTER = {"success"}


def verdict(name: str, ours: Sequence[float], theirs: Sequence[float]) -> Verdict:
    """Return how a figure compares with another's.

    Args:
        name: of the figure.
        ours: a value of each seed.
        theirs: those of the same seeds.
    """
    pairs = zip(ours, theirs, strict=True)
    differences = [mine - yours if mine != yours else 0.0 for mine, yours in pairs]
    median = statistics.median(differences)
    matters = _MATTERS.get(name) or _MATTERS_OF_ENVOY[name] * statistics.median(theirs)
    # A hair more than nothing, so that 0.995 is half a point below 1.
    if abs(median) < matters - 1e-9:
        return "alike"
    if min(differences) <= 0 <= max(differences):
        return "unclear"
    return "better" if (median > 0) == (name in _MORE_IS_BETTER) else "worse"


def verdicts(ours: Standing, theirs: Standing | None) -> dict[str, Verdict | None]:
    """Return the verdict on each judged figure; None where one of them has no run."""
    found: dict[str, Verdict | None] = dict.fromkeys(JUDGED)
    if theirs is None or not ours.runs or not theirs.runs:
        return found
    found["success"] = _judged("success", ours, theirs)
    differs = found["success"] in ("better", "worse")
    figure = "attempts_per_answer" if differs else "attempts_per_call"
    found["attempts_per_call"] = _judged(figure, ours, theirs)
    if found["success"] == "alike":
        found["tail_ms"] = _judged("tail_ms", ours, theirs)
    return found


def _judged(figure: str, ours: Standing, theirs: Standing) -> Verdict | None:
    mine, yours = ours.values(figure), theirs.values(figure)
    return verdict(figure, mine, yours) if mine and len(mine) == len(yours) else None


def find(standings: Sequence[Standing], letter: str, name: str) -> Standing | None:
    """Return who of a case has that name."""
    for standing in standings:
        if standing.case.letter == letter and standing.contestant.name == name:
            return standing
    return None
