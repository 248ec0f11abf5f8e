"""The run as one picture: a row for each case, a column for each figure.

A dot is the median of the repetitions, the line behind it reaches from the least to
the most. Each panel has its own scale, its ends written under it, so panels compare
contestants and never cases.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from bench.chaos.cases import Case
from bench.chaos.figures import Standing, Summary
from bench.chaos.report import cases_of

COLOURS = {
    "seawall": "#0b6e99",
    "seawall-defaults": "#6bb3d1",
    "envoy": "#c4501b",
    "usual-stack": "#8a8a8a",
}
_OTHER = "#444444"
_LEFT, _TOP, _PANEL, _GAP, _BAR, _PAD = 190, 96, 190, 34, 15, 26


class Column(NamedTuple):
    """One figure.

    Attributes: name of the figure. title. hint. factor and form of a value. span: the
    least width of its scale; 0 where that begins at 0.
    """

    name: str
    title: str
    hint: str
    factor: float
    form: Callable[[float], str]
    span: float = 0.0


COLUMNS = (
    Column("success", "success", "% of calls, right is better", 100, "{:.1f}".format, 0.05),
    Column("attempts_per_call", "attempts", "per call, left is better", 1, "{:.2f}".format, 0.2),
    Column("p99_ms", "p99", "ms of answered calls, left is better", 1, "{:.0f}".format),
    Column("recover_s", "recovers", "s after the fault, left is better", 1, "{:.1f}".format),
)


def as_svg(standings: Sequence[Standing], subtitle: str) -> str:
    """Return the picture."""
    names = list(dict.fromkeys(standing.contestant.name for standing in standings))
    row = len(names) * _BAR + _PAD + 14
    cases = cases_of(standings)
    width = _LEFT + len(COLUMNS) * (_PANEL + _GAP)
    height = _TOP + len(cases) * row + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" '
        'font-size="11" fill="#222222">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(16, 24, "Faults over real sockets", size=16, bold=True),
        _text(16, 42, subtitle, colour="#666666"),
        *_legend(names),
    ]
    for index, column in enumerate(COLUMNS):
        x = _LEFT + index * (_PANEL + _GAP)
        parts += [
            _text(x, _TOP - 18, column.title, size=12, bold=True),
            _text(x, _TOP - 5, column.hint, size=9, colour="#666666"),
        ]
    for number, case in enumerate(cases):
        parts += _row(case, standings, names, _TOP + number * row, row, width)
    return "\n".join([*parts, "</svg>\n"])


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], _LEFT
    for name in names:
        parts += [
            f'<circle cx="{x}" cy="58" r="4" fill="{COLOURS.get(name, _OTHER)}"/>',
            _text(x + 9, 62, name),
        ]
        x += 28 + 7 * len(name)
    return parts


def _row(
    case: Case, standings: Sequence[Standing], names: Sequence[str], y: float, row: int, width: int
) -> list[str]:
    parts = [
        f'<line x1="16" y1="{y}" x2="{width - 16}" y2="{y}" stroke="#dddddd"/>',
        _text(16, y + 22, f"{case.letter}.", bold=True),
        _text(32, y + 22, case.title, bold=True),
        _text(32, y + 37, f"{case.per_s:g}/s for {case.seconds:g} s", size=10, colour="#666666"),
        _text(32, y + 50, f"deadline {case.deadline_s:g} s", size=10, colour="#666666"),
    ]
    ours = {s.contestant.name: s for s in standings if s.case is case}
    for index, column in enumerate(COLUMNS):
        x = _LEFT + index * (_PANEL + _GAP)
        found = {name: ours[name].summary(column.name) for name in names if name in ours}
        known = {name: summary for name, summary in found.items() if summary is not None}
        if known:
            parts += _panel(column, known, names, x, y + 10)
        else:
            parts.append(_text(x, y + 22, "-", colour="#999999"))
    return parts


def _panel(
    column: Column, found: dict[str, Summary], names: Sequence[str], x: float, y: float
) -> list[str]:
    values = [v for s in found.values() for v in (s.least, s.most, s.median) if math.isfinite(v)]
    low, high = _scale(column, values)
    plot = _PANEL - 48  # the rest is for the number at the end

    def place(value: float) -> float:
        return (
            x + plot * min(1.0, (value - low) / (high - low)) if math.isfinite(value) else x + plot
        )

    bottom = y + len(names) * _BAR
    parts = [
        f'<rect x="{x}" y="{y}" width="{plot}" height="{len(names) * _BAR}" fill="#f6f6f6"/>',
        _text(x, bottom + 10, column.form(low * column.factor), size=8, colour="#999999"),
        _text(
            x + plot,
            bottom + 10,
            column.form(high * column.factor),
            size=8,
            colour="#999999",
            anchor="end",
        ),
    ]
    for number, name in enumerate(names):
        if name not in found:
            continue
        summary, colour = found[name], COLOURS.get(name, _OTHER)
        middle = y + number * _BAR + _BAR / 2
        never = math.isinf(summary.median)
        shown = "never" if never else column.form(summary.median * column.factor)
        parts += [
            f'<line x1="{place(summary.least):.1f}" y1="{middle}" x2="{place(summary.most):.1f}" '
            f'y2="{middle}" stroke="{colour}" stroke-width="3" stroke-opacity="0.45"/>',
            f'<circle cx="{place(summary.median):.1f}" cy="{middle}" r="4" '
            f'fill="{"#ffffff" if never else colour}" stroke="{colour}"/>',
            _text(x + plot + 12, middle + 4, shown, size=10, colour=colour),
        ]
    return parts


def _scale(column: Column, values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a panel's scale.

    Times begin at 0. The others show where the contestants differ, with room around it,
    and never less than the column's `span`: what is next to nothing looks so.
    """
    least, most = min(values, default=0.0), max(values, default=0.0)
    if not column.span:
        return 0.0, most * 1.05 or 1.0
    room = max(column.span - (most - least), 0.2 * (most - least)) / 2
    low, high = max(0.0, least - room), most + room
    if column.name == "success" and high > 1.0:
        low, high = max(0.0, low - (high - 1.0)), 1.0
    return low, high


def _text(
    x: float,
    y: float,
    said: str,
    *,
    size: int = 11,
    bold: bool = False,
    colour: str = "#222222",
    anchor: str = "start",
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(said)}</text>"
    )
