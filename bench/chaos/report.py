"""What the run says: a Markdown table for each case, the verdicts, and JSON."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bench.chaos.cases import Case
from bench.chaos.contestants import ENVOY, SEAWALL
from bench.chaos.figures import LAG_MS, RECOVERY_WINDOW_S, Figures, Standing, Summary
from bench.chaos.verdict import JUDGED, find, verdicts
from bench.processes import Cores
from bench.report import machine, versions

_BUSY = 0.6
_QUARTER = 0.25
_ENOUGH = 3
_WORDS = {"success": "success", "attempts_per_call": "attempts", "tail_ms": "slowest 1 %"}


def cases_of(standings: Sequence[Standing]) -> list[Case]:
    """Return the cases that were run, in their order."""
    found: list[Case] = []
    for standing in standings:
        if standing.case not in found:
            found.append(standing.case)
    return found


def as_text(standings: Sequence[Standing]) -> str:
    """Return a table for each case, and the verdicts."""
    parts = []
    for case in cases_of(standings):
        ours = [standing for standing in standings if standing.case is case]
        parts.append(f"{case.letter}. {case.title}\n\n{_table(case, ours)}")
    judged = _verdict_table(standings)
    if judged is not None:
        parts.append(f"Beside Envoy, within the noise of {_repetitions(standings)}\n\n{judged}")
    return "\n\n".join(parts)


def _table(case: Case, standings: Sequence[Standing]) -> str:
    header = ["contestant", "success %", "goodput/s", "p50 ms", "p99 ms", "slowest 1 %"]
    recovers = case.fault_s[1] is not None
    classes = case.classes if len(case.classes) > 1 else ()
    header += ["attempts/call"] + ["recovers s"] * recovers + [f"{name}/s" for name in classes]
    rows = [header]
    for standing in standings:
        name = standing.contestant.name
        if not standing.runs:
            rows.append([name, *["-"] * (len(header) - 1)])
            continue
        row = [
            name,
            _cell(standing.summary("success"), 100, ".1f"),
            _cell(standing.summary("goodput_per_s"), 1, ".1f"),
            _cell(standing.summary("p50_ms"), 1, ".0f"),
            _cell(standing.summary("p99_ms"), 1, ".0f"),
            _cell(standing.summary("tail_ms"), 1, ".0f"),
            _cell(standing.summary("attempts_per_call"), 1, ".2f"),
        ]
        if recovers:
            row.append(_cell(standing.summary("recover_s"), 1, ".1f"))
        if classes:
            row += [_cell(summary, 1, ".1f") for summary in standing.by_class()]
        rows.append(row)
    return table(rows)


def _cell(summary: Summary | None, factor: float, form: str) -> str:
    if summary is None:
        return "-"
    return summary.show(
        lambda value: "never" if math.isinf(value) else format(value * factor, form)
    )


def _verdict_table(standings: Sequence[Standing]) -> str | None:
    rows = [["case", *(f"{n}: {f}" for n in _ours(standings) for f in _WORDS.values())]]
    for case in cases_of(standings):
        theirs = find(standings, case.letter, ENVOY)
        row = [f"{case.letter}. {case.title}"]
        for name in _ours(standings):
            ours = find(standings, case.letter, name)
            found = verdicts(ours, theirs) if ours else dict.fromkeys(JUDGED)
            row += [found[judged] or "-" for judged in JUDGED]
        rows.append(row)
    judged = any(cell != "-" for row in rows[1:] for cell in row[1:])
    return table(rows) if judged else None


def _repetitions(standings: Sequence[Standing]) -> str:
    count = max(len(standing.runs) for standing in standings)
    few = "" if count >= _ENOUGH else ", too few to tell what is noise"
    return f"{count} repetition{'s' * (count != 1)}{few}"


def _ours(standings: Sequence[Standing]) -> list[str]:
    names = dict.fromkeys(standing.contestant.name for standing in standings)
    return [name for name in names if name.startswith(SEAWALL)]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the first of which is the header, as an aligned Markdown table."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append(f"| {' | '.join([row[0].ljust(widths[0]), *rest])} |")
    return "\n".join(lines)


def warnings(
    standings: Sequence[Standing], calibration: Mapping[str, float], cores: Cores
) -> list[str]:
    """Return everything that makes the figures doubtful."""
    found = []
    if not cores.separate:
        found.append("contestants share their core with the load")
    for standing in standings:
        where = f"{standing.case.letter}, {standing.contestant.name}"
        if standing.problem:
            found.append(f"{where}: {standing.problem}")
        lag, busy = standing.summary("lag_ms"), standing.summary("busy")
        if lag and lag.most > LAG_MS:
            found.append(
                f"{where}: the client was up to {lag.most:.0f} ms late to begin a call; "
                "repeat on a quiet machine"
            )
        if busy and busy.most > _BUSY:
            found.append(f"{where}: the contestant used {busy.most:.0%} of its core")
    for name, per_s in calibration.items():
        capacity = max(case.capacity.per_s * case.endpoints for case in cases_of(standings))
        if capacity > per_s * _QUARTER:
            found.append(
                f"{name} does {per_s:.0f} calls/s at most: the upstream's {capacity:.0f}/s are "
                "more than a quarter of that"
            )
    return found


def as_json(
    standings: Sequence[Standing],
    *,
    seed: int,
    repetitions: int,
    calibration: Mapping[str, float],
    commands: Mapping[str, Mapping[str, str]],
    cores: Cores,
    now: datetime,
) -> dict[str, Any]:
    """Return everything that was measured, and where.

    Args:
        standings: every contestant in every case.
        seed: of the first repetition; each later one has the next.
        repetitions: how many there were.
        calibration: calls a second that each contestant does at most.
        commands: by case and contestant, how it is started.
        cores: who ran where.
        now: the date.
    """
    return {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "seed": seed,
        "repetitions": repetitions,
        "recovery_window_s": RECOVERY_WINDOW_S,
        "cores": dataclasses.asdict(cores),
        "calibration_calls_per_s": {name: round(per_s, 1) for name, per_s in calibration.items()},
        "warnings": warnings(standings, calibration, cores),
        "cases": [_case_as_json(case, standings, commands) for case in cases_of(standings)],
    }


def _case_as_json(
    case: Case, standings: Sequence[Standing], commands: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    theirs = find(standings, case.letter, ENVOY)
    contestants = []
    for standing in standings:
        if standing.case is not case:
            continue
        name = standing.contestant.name
        entry: dict[str, Any] = {
            "name": name,
            "command": commands[case.letter].get(name),
            "problem": standing.problem,
            "runs": [_figures_as_json(run) for run in standing.runs],
        }
        if name != ENVOY:
            entry["beside_envoy"] = verdicts(standing, theirs)
        contestants.append(entry)
    return {
        "case": case.letter,
        "title": case.title,
        "doc": case.doc,
        "seconds": case.seconds,
        "calls_per_s": case.per_s,
        "deadline_s": case.deadline_s,
        "endpoints": case.endpoints,
        "capacity_per_s": round(case.capacity.per_s * case.endpoints, 1),
        "plan": case.plan(0).as_json()["faults"],
        "contestants": contestants,
    }


def _figures_as_json(run: Figures) -> dict[str, Any]:
    found = dataclasses.asdict(run)
    for name, value in found.items():
        if isinstance(value, float):
            found[name] = "never" if math.isinf(value) else round(value, 4)
    found["goodput_by_class"] = [round(value, 3) for value in run.goodput_by_class]
    return found
