"""Figures of runs, the verdicts on them, and how both are shown."""

import json
import math
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

import pytest

from bench.chaos.calls import Ended
from bench.chaos.cases import CASES
from bench.chaos.contestants import CONTESTANTS
from bench.chaos.figures import (
    Standing,
    Summary,
    figures,
    quantile,
    summarize,
    tail,
    time_to_recover,
)
from bench.chaos.picture import COLUMNS, _scale, as_svg
from bench.chaos.report import as_json, as_text, table, warnings
from bench.chaos.trial import Run
from bench.chaos.verdict import verdict, verdicts
from bench.processes import Cores

A, D, F = (next(case for case in CASES if case.letter == letter) for letter in "adf")
SEAWALL, _, ENVOY, _ = CONTESTANTS


def ended(at_s: float, status: str = "OK", took_s: float = 0.1, criticality: str = "critical"):
    return Ended(at_s, at_s, at_s + took_s, status, criticality)


def calls(seconds: float, *, bad=(), per_s: int = 10) -> list[Ended]:
    """Calls at a steady rate, failing in the given spans."""
    found = []
    for number in range(int(seconds * per_s)):
        at_s = number / per_s
        failed = any(begins_s <= at_s < ends_s for begins_s, ends_s in bad)
        found.append(ended(at_s, "UNAVAILABLE" if failed else "OK"))
    return found


def standing(contestant=SEAWALL, case=A, *, good=(100, 100), received=(110, 110)) -> Standing:
    """A standing of a run for each count of good calls out of a hundred."""
    found = Standing(case, contestant)
    for successes, requests in zip(good, received, strict=True):
        made = [
            ended(number / 10, "OK" if number < successes else "UNAVAILABLE")
            for number in range(100)
        ]
        found.runs.append(figures(case, Run(made, {"received": requests}, 0.1)))
    return found


def test_figures_of_a_run():
    made = [ended(0.5, took_s=0.2), ended(1.0, took_s=0.4), ended(1.5, "DEADLINE_EXCEEDED", 1.0)]
    found = figures(A, Run(made, {"received": 6, "wasted": 1, "max_concurrency": 4}, 0.25))
    assert found.success == pytest.approx(2 / 3)
    assert found.attempts_per_call == 2
    assert found.goodput_per_s == pytest.approx(2 / A.seconds)
    assert found.p50_ms == pytest.approx(400)
    assert found.statuses == {"OK": 2, "DEADLINE_EXCEEDED": 1}
    assert (found.wasted, found.max_concurrency, found.busy) == (1, 4, 0.25)
    assert found.recover_s is None


def test_a_run_without_success_has_no_latency():
    found = figures(A, Run([ended(0.5, "UNAVAILABLE")], {}, None))
    assert (found.success, found.p50_ms, found.p99_ms, found.tail_ms) == (0, None, None, None)


@pytest.mark.parametrize(("count", "expected"), [(1, 1.0), (99, 99.0), (300, 299.0)])
def test_the_tail_is_the_mean_of_the_slowest_hundredth(count, expected):
    assert tail([float(number + 1) for number in range(count)], 0.01) == expected


def test_latency_counts_from_when_a_call_was_to_begin():
    late = Ended(1.0, 1.5, 1.6, "OK", "critical")
    assert figures(A, Run([late], {}, None)).p50_ms == pytest.approx(600)


def test_goodput_is_told_by_criticality():
    made = [ended(1, criticality=name) for name in ("critical", "critical", "sheddable")]
    found = figures(F, Run([*made, ended(2, "UNAVAILABLE", criticality="sheddable")], {}, None))
    assert found.goodput_by_class == pytest.approx((2 / 12, 0, 1 / 12))


@pytest.mark.parametrize(
    ("bad", "fault_s", "expected"),
    [
        ([], (5, None), None),
        ([(5, 10)], (5, 10), 0.0),
        ([(5, 12.5)], (5, 10), 2.4),  # one failure in twenty is still 95 %
        ([(5, 20)], (5, 10), math.inf),
        ([(5, 17.8)], (5, 10), 7.7),
        ([(0, 20)], (5, 10), 0.0),  # it is as it was before
    ],
)
def test_the_time_to_recover(bad, fault_s, expected):
    found = time_to_recover(calls(20, bad=bad), fault_s)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_success_rate_that_falls_again_within_the_window_is_no_recovery():
    bad = [(5, 10.5), (11.5, 12.5)]
    assert time_to_recover(calls(20, bad=bad), (5, 10)) == pytest.approx(2.4)


def test_quantiles_of_little_and_of_nothing():
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([float(n) for n in range(100)], 0.99) == 99.0


def test_a_summary_is_median_least_and_most():
    assert summarize([3.0, 1.0, 2.0]) == Summary(2.0, 1.0, 3.0)
    assert summarize([]) is None
    assert Summary(2, 1, 3).show("{:.0f}".format) == "2 (1-3)"
    assert Summary(2, 2, 2).show("{:.0f}".format) == "2"


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "expected"),
    [
        ("success", (0.99, 0.98, 1.0), (0.95, 0.94, 0.96), "better"),
        ("success", (0.95, 0.94, 0.96), (0.99, 0.98, 1.0), "worse"),
        ("success", (0.90, 0.80, 0.70), (0.88, 0.79, 0.69), "better"),  # seeds differ by more
        ("success", (0.80, 0.80, 0.905), (0.90, 0.90, 0.90), "unclear"),
        ("success", (0.97, 0.94, 1.0), (0.97, 0.90, 0.90), "unclear"),  # one seed says nothing
        ("success", (1.0, 1.0, 1.0), (0.996, 0.996, 0.996), "alike"),  # it does not matter
        ("success", (1.0, 1.0, 1.0), (0.995, 0.995, 0.995), "better"),  # the least that does
        ("success", (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), "alike"),
        ("attempts_per_call", (1.1, 1.05, 1.15), (1.3, 1.2, 1.4), "better"),
        ("attempts_per_call", (1.3, 1.2, 1.4), (1.1, 1.05, 1.15), "worse"),
        ("attempts_per_call", (1.02, 1.02, 1.02), (1.01, 1.01, 1.01), "alike"),
        ("attempts_per_answer", (math.inf, math.inf), (math.inf, math.inf), "alike"),
        ("tail_ms", (150.0, 250.0, 160.0), (200.0, 320.0, 210.0), "better"),
        ("tail_ms", (170.0, 250.0, 180.0), (200.0, 320.0, 210.0), "alike"),
    ],
)
def test_the_verdict(name, ours, theirs, expected):
    assert verdict(name, ours, theirs) == expected


@pytest.mark.parametrize(
    ("good", "received", "expected"),
    [
        ((50, 51), (50, 51), ("worse", "better")),  # 1.0 an answer, where Envoy has 1.11
        ((50, 51), (60, 61), ("worse", "worse")),  # fewer a call, more an answer
        ((50, 51), (55, 56), ("worse", "alike")),
        ((100, 100), (110, 111), ("better", "alike")),  # what more answers cost
        ((90, 91), (110, 111), ("alike", "worse")),  # a call
    ],
)
def test_attempts_are_judged_by_answers_where_success_differs(good, received, expected):
    found = verdicts(
        standing(good=good, received=received), standing(ENVOY, good=(90, 91), received=(100, 101))
    )
    assert (found["success"], found["attempts_per_call"]) == expected
    assert (found["tail_ms"] is None) == (found["success"] != "alike")


def test_who_answers_nothing_has_boundless_attempts_an_answer():
    assert standing(good=(0, 0)).values("attempts_per_answer") == [math.inf, math.inf]
    found = verdicts(standing(good=(0, 0)), standing(ENVOY))
    assert found == {"success": "worse", "attempts_per_call": "worse", "tail_ms": None}


def test_there_is_no_verdict_without_envoy():
    nothing = dict.fromkeys(("success", "attempts_per_call", "tail_ms"))
    assert verdicts(standing(), None) == nothing
    assert verdicts(standing(), Standing(A, ENVOY)) == nothing


def test_the_table_has_medians_ranges_and_verdicts():
    text = as_text([standing(good=(98, 100)), standing(ENVOY, good=(80, 90))])
    assert "a. 10 % random 503" in text
    assert "99.0 (98.0-100.0)" in text
    assert "1.10" in text
    assert "better" in text
    assert "2 repetitions, too few to tell what is noise" in text
    widths = {len(line) for line in table([["a", "bb"], ["ccc", "d"]]).splitlines()}
    assert len(widths) == 1


def test_recovery_is_shown_where_a_fault_ends_and_criticalities_where_there_are_some():
    lasting = standing(case=D)
    assert "recovers s" in as_text([lasting])
    assert "never" in as_text([lasting])  # the made-up runs end before the fault does
    assert "recovers s" not in as_text([standing()])
    assert "sheddable_plus/s" in as_text([standing(case=F)])


def test_a_contestant_without_figures_has_its_row_and_its_warning():
    broken = Standing(A, ENVOY, problem="it did not serve")
    rows = [line for line in as_text([standing(), broken]).splitlines() if "envoy" in line]
    assert rows[0].count(" - ") == 6
    assert warnings([broken], {}, Cores(1, 0)) == ["a, envoy: it did not serve"]


def test_warnings_of_what_makes_figures_doubtful():
    held_up = figures(A, Run([Ended(1, 1.5, 1.6, "OK", "critical")], {}, 0.9))
    found = warnings([Standing(A, SEAWALL, [held_up])], {"slow": 100.0}, Cores(0, 0))
    assert len(found) == 4
    assert "share their core" in found[0]
    assert "500 ms late" in found[1]
    assert "90% of its core" in found[2]
    assert "more than a quarter" in found[3]


def test_json_has_everything_and_is_json():
    found = as_json(
        [standing(case=D), standing(ENVOY, case=D)],
        seed=5,
        repetitions=2,
        calibration={"seawall": 2000.04},
        commands={"d": {"seawall": "seawall serve", "envoy": "envoy"}},
        cores=Cores(1, 0),
        now=datetime(2026, 3, 1, tzinfo=UTC),
    )
    read = json.loads(json.dumps(found, allow_nan=False))
    assert (read["seed"], read["date"]) == (5, "2026-03-01T00:00:00+00:00")
    assert read["calibration_calls_per_s"] == {"seawall": 2000.0}
    (case,) = read["cases"]
    ours = case["contestants"][0]
    assert ours["command"] == "seawall serve"
    assert ours["runs"][0]["recover_s"] == "never"
    assert ours["beside_envoy"] == dict.fromkeys(
        ("success", "attempts_per_call", "tail_ms"), "alike"
    )
    assert case["plan"][0]["kind"] == "away"


def test_the_picture_is_xml_with_every_case_and_contestant():
    shown = [standing(), standing(ENVOY), standing(case=D), Standing(D, ENVOY)]
    root = ElementTree.fromstring(as_svg(shown, "seed 1 & more"))
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {A.title, D.title, "seawall", "envoy", "seed 1 & more", "never"} <= set(said)
    for element in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(element.attrib["cx"]) <= float(root.attrib["width"])
        assert 0 <= float(element.attrib["cy"]) <= float(root.attrib["height"])


@pytest.mark.parametrize(
    ("column", "values", "ends"),
    [
        ("success", [1.0, 1.0], (0.95, 1.0)),
        ("success", [0.5, 0.9], (0.46, 0.94)),
        ("success", [0.0, 1.0], (0.0, 1.0)),
        ("attempts_per_call", [1.0, 1.1], (0.95, 1.15)),
        ("p99_ms", [100.0, 200.0], (0.0, 210.0)),
        ("recover_s", [], (0.0, 1.0)),
    ],
)
def test_a_panel_shows_where_contestants_differ(column, values, ends):
    found = _scale(next(one for one in COLUMNS if one.name == column), values)
    assert found == pytest.approx(ends)
