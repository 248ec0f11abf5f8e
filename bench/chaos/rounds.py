"""All runs: case by case, seed by seed, one contestant after the other."""

from collections.abc import Callable, Sequence

from bench.chaos.cases import Case
from bench.chaos.contestants import Contestant
from bench.chaos.figures import LAG_MS, Figures, Standing, figures
from bench.chaos.trial import TrialError, trial
from bench.order import OrderFiles
from bench.processes import Cores, StartError

_AGAIN = 2


def measure(
    cases: Sequence[Case],
    contestants: Sequence[Contestant],
    seeds: Sequence[int],
    files: OrderFiles,
    cores: Cores,
    say: Callable[[str], None],
) -> list[Standing]:
    """Run every case with every contestant, one after the other, seed by seed.

    A contestant that does not come up, or gives its clients no answer before the
    start, has no figures for the case; the others go on.
    """
    standings = [Standing(case, contestant) for case in cases for contestant in contestants]
    for case in cases:
        for number, seed in enumerate(seeds, 1):
            for standing in standings:
                if standing.case is not case or standing.problem:
                    continue
                name = standing.contestant.name
                said = f"{case.letter}  {number}/{len(seeds)}  {name:<18}"
                try:
                    found = _undisturbed(standing.contestant, case, seed, files, cores, say)
                except (StartError, TrialError) as error:
                    standing.problem = str(error)
                    standing.runs.clear()
                    say(f"{said}{error}")
                    continue
                standing.runs.append(found)
                say(
                    f"{said}{found.success:7.1%} answered  "
                    f"{found.attempts_per_call:5.2f} attempts a call"
                )
    return standings


def _undisturbed(
    contestant: Contestant,
    case: Case,
    seed: int,
    files: OrderFiles,
    cores: Cores,
    say: Callable[[str], None],
) -> Figures:
    """Return the figures of a run, run again where the machine held the client up."""
    for again in range(_AGAIN, -1, -1):
        found = figures(case, trial(contestant, case, seed, files, cores))
        if found.lag_ms <= LAG_MS or not again:
            break
        say(f"{case.letter}  the client was {found.lag_ms:.0f} ms late, run again")
    return found
