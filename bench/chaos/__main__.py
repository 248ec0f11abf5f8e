"""`python -m bench.chaos`: options in; tables, JSON and a picture out."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.chaos import report
from bench.chaos.cases import CASES, Case
from bench.chaos.contestants import CONTESTANTS, Contestant
from bench.chaos.picture import as_svg
from bench.chaos.rounds import measure
from bench.chaos.trial import calibrate
from bench.contenders.roster import ROOT
from bench.load import LoadError
from bench.order import AnswerError, OrderFiles, make_order
from bench.processes import StartError, choose_cores, pin

_RESULTS = ROOT / "bench" / "results"
_OVERHEAD_S = 3.5
_CALIBRATION_S = 2.0


def arguments(today: str) -> argparse.ArgumentParser:
    """Return the parser of the command line; `today` names the files."""
    cases = "\n".join(f"  {case.letter}  {case.title:<26}{case.seconds:g} s" for case in CASES)
    who = "\n".join(f"  {one.name:<18}{one.what}" for one in CONTESTANTS)
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos",
        description="Let Seawall, Envoy and a gateway of well-known libraries meet the same "
        "faults:\nreal processes, real sockets, the same arrivals, the same fate for the same "
        "attempt.",
        epilog=f"cases:\n{cases}\n\ncontestants:\n{who}\n\n"
        "examples:\n"
        "  python -m bench.chaos                                  everything, about 35 minutes\n"
        "  python -m bench.chaos --only-case a --repetitions 1    a first look, under a minute\n"
        "  python -m bench.chaos --only-case e --only-case f --only envoy --only seawall\n"
        "  python -m bench.chaos --seed 7                         another schedule\n\n"
        "Settings of each contestant for each case: bench/chaos/settings/\n"
        "How to read the tables: docs/chaos.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--only-case",
        action="append",
        choices=[case.letter for case in CASES],
        metavar="LETTER",
        help="run only this case; repeatable",
    )
    add(
        "--only",
        action="append",
        choices=[one.name for one in CONTESTANTS],
        metavar="NAME",
        help="only this contestant; repeatable. Verdicts need envoy",
    )
    add(
        "--repetitions",
        type=_whole(1, 20),
        default=3,
        metavar="N",
        help="runs of each, each with a seed of its own (default: %(default)s)",
    )
    add(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="of the first repetition; the others have the next (default: %(default)s)",
    )
    add(
        "--seconds",
        type=_number(1, 120),
        metavar="S",
        help="length of a run, all moments of the case moved with it (default: each case's own)",
    )
    add(
        "--json",
        type=Path,
        default=_RESULTS / f"chaos-{today}.json",
        metavar="FILE",
        help="where every figure is written (default: bench/results/chaos-DATE.json)",
    )
    add(
        "--svg",
        type=Path,
        default=_RESULTS / f"chaos-{today}.svg",
        metavar="FILE",
        help="where the picture is drawn (default: bench/results/chaos-DATE.svg)",
    )
    return parser


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {least} to {most}")
        return int(text)

    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return parse


def present(only: Sequence[str] | None) -> list[Contestant]:
    """Return who takes part; who is not installed is left out, unless asked for by name.

    Raises:
        StartError: one that was asked for is not installed.
    """
    found = []
    for contestant in CONTESTANTS:
        if only and contestant.name not in only:
            continue
        missing = contestant.missing()
        if missing is None:
            found.append(contestant)
        elif only:
            raise StartError(f"{contestant.name}: {missing}")
        else:
            _say(f"chaos: {contestant.name} is left out. {missing}")
    return found


def run(given: argparse.Namespace, now: datetime) -> int:
    """Measure and report; return how many had no figures."""
    contestants = present(given.only)
    cases = [case for case in CASES if not given.only_case or case.letter in given.only_case]
    if given.seconds is not None:
        cases = [case.lasting(given.seconds) for case in cases]
    seeds = [given.seed + number for number in range(given.repetitions)]
    cores = choose_cores()
    pin(cores.load)
    each_s = sum(case.seconds + _OVERHEAD_S for case in cases)
    about_s = each_s * len(contestants) * len(seeds) + 5 * len(contestants)
    _say(f"{len(cases)} cases, {len(contestants)} contestants, about {about_s / 60:.0f} min")
    with tempfile.TemporaryDirectory(prefix="seawall-chaos-") as folder:
        files = make_order(Path(folder), given.seed)
        calibration = {}
        for one in contestants:
            calibration[one.name] = calibrate(one, cases[0], files, cores, _CALIBRATION_S)
            _say(f"{one.name:<18}{calibration[one.name]:,.0f} calls/s without faults, at most")
        standings = measure(cases, contestants, seeds, files, cores, _say)
        commands = {
            case.letter: {one.name: _command(one, case, files) for one in contestants}
            for case in cases
        }
    found = report.as_json(
        standings,
        seed=given.seed,
        repetitions=given.repetitions,
        calibration=calibration,
        commands=commands,
        cores=cores,
        now=now,
    )
    who = ", ".join(f"{name} {per_s:,.0f}/s" for name, per_s in calibration.items())
    picture = as_svg(
        standings,
        f"{now:%Y-%m-%d}, seed {given.seed}, medians of {given.repetitions} (line: least to most). "
        f"Without faults: {who}",
    )
    for path, text in ((given.json, json.dumps(found, indent=2) + "\n"), (given.svg, picture)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(
        f"\nmedians of {given.repetitions} (least-most), seed {given.seed}; without faults: {who}\n"
    )
    print(report.as_text(standings))
    for warning in found["warnings"]:
        print(f"\nwarning: {warning}")
    print(f"\nEvery figure: {given.json}. Picture: {given.svg}. How to read them: docs/chaos.md")
    return sum(standing.problem is not None for standing in standings)


def _command(contestant: Contestant, case: Case, files: OrderFiles) -> str:
    """Return the command line as it is written down: Envoy's file by name, not its text."""
    words = contestant.start(case, [8080 + n for n in range(case.endpoints)], files).command
    shown = [f"<{case.letter}.envoy.yaml>" if word.startswith("{") else word for word in words]
    return " ".join(Path(word).name if Path(word).is_absolute() else word for word in shown)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    now = datetime.now(UTC)
    given = arguments(f"{now:%Y-%m-%d}").parse_args(argv)
    # So that SIGTERM, like Ctrl-C, ends every process on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return 1 if run(given, now) else 0
    except (AnswerError, LoadError, StartError) as error:
        _say(f"chaos: {error}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
