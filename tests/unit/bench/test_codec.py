"""A short run of the codec's bench, and that it notices a difference."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bench import codec
from bench.codec import Case, DifferenceError, as_table, check, measure, rows

ROOT = Path(__file__).parents[3]


def answers(parsed, printed):
    return {
        ("parse", "json_format"): lambda: Timestamp(seconds=1),
        ("parse", "seawall"): lambda: parsed,
        ("print", "json_format"): lambda: '{"a": 1}',
        ("print", "seawall"): lambda: printed,
    }


def test_a_short_run_prints_its_table_and_writes_json(tmp_path):
    found = tmp_path / "deep" / "codec.json"
    ended = subprocess.run(
        [sys.executable, "-m", "bench.codec", "--rounds", "2", "--turn-ms", "1", "--json", found],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
        # The tests' stubs are on the path of this process, not of that one.
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert ended.returncode == 0, ended.stderr
    lines = [line.split("|") for line in ended.stdout.splitlines() if line[:1] == "|"]
    assert [(line[1].strip(), line[3].strip()) for line in lines[2:]] == [
        (message, direction)
        for message in ("small", "order", "50 kB", "maps")
        for direction in ("parse", "print")
    ]
    report = json.loads(found.read_text())
    assert report["seed"] == 1
    assert datetime.fromisoformat(report["date"]).tzinfo is not None
    order = next(row for row in report["results"] if row["message"] == "order")
    assert 1_200 <= order["json_bytes"] <= 1_400
    assert all(len(taken) == 2 for taken in order["rounds_us"].values())
    assert all(row["ratio"] > 1 for row in report["results"])


def test_equal_answers_pass_whatever_the_spaces():
    check("x", answers(Timestamp(seconds=1), b'{"a":1}'))


@pytest.mark.parametrize(
    ("parsed", "printed", "what"),
    [
        (Timestamp(seconds=2), b'{"a":1}', "'x' is parsed into different messages"),
        (Timestamp(seconds=1), b'{"a":"1"}', "'x' is printed as different JSON"),
    ],
)
def test_a_difference_is_named(parsed, printed, what):
    with pytest.raises(DifferenceError, match=what):
        check("x", answers(parsed, printed))


def test_a_difference_ends_with_status_1(monkeypatch, capsys, tmp_path):
    def differ(case):
        raise DifferenceError(f"the message {case.name!r} is a pear")

    monkeypatch.setattr(codec, "cases", lambda folder, seed: [Case("apple", b"", None)])
    monkeypatch.setattr(codec, "calls", differ)
    assert codec.main(["--json", str(tmp_path / "x")]) == 1
    assert "'apple' is a pear" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_ratio_is_that_of_the_medians():
    case = Case("small", b"{}", None)
    times = measure(answers(1, 1), rounds=3, turn_s=0.0001)
    assert {key: len(taken) for key, taken in times.items()} == dict.fromkeys(times, 3)
    given = {key: [1.0, 5.0, 2.0] if key[1] == "seawall" else [9.0, 8.0, 1.0] for key in times}
    found = list(rows(case, given))
    assert [row["ratio"] for row in found] == [4.0, 4.0]
    assert as_table(found).splitlines()[2].endswith("|          4.0 |")


def test_help_says_what_the_exit_status_means(capsys):
    with pytest.raises(SystemExit) as ended:
        codec.main(["--help"])
    assert ended.value.code == 0
    assert "exit status 1" in capsys.readouterr().out
