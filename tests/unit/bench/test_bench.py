"""A short run of the whole bench, and the parts that decide whether its figures can be believed."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bench.__main__ import client, present
from bench.contenders import envoy
from bench.contenders.roster import ROSTER
from bench.order import AnswerError, compare
from bench.processes import (
    Cores,
    StartError,
    address_of,
    cpu_s,
    free_port,
    last_words,
    running,
    wait_until_listening,
)
from bench.report import as_table, ratio, warnings
from bench.rounds import Standing, Turn

ROOT = Path(__file__).parents[3]


def standing(name: str, *rates: float, **values: float) -> Standing:
    given = {
        "calls": 100,
        "p50_ms": 1.0,
        "p90_ms": 2.0,
        "p99_ms": 3.0,
        "max_ms": 4.0,
        "cpu_us_per_call": 500.0,
        "server_busy": 0.99,
        "others_busy": 0.0,
        "load_us_per_call": 50.0,
        "load_busy": 0.2,
    } | values
    contender = next(c for c in ROSTER if c.name == name)
    return Standing(contender, [Turn(calls_per_s=rate, **given) for rate in rates])


def test_a_short_run_prints_its_table_and_writes_json(tmp_path):
    found = tmp_path / "deep" / "bench.json"
    options = "--rounds 2 --seconds 0.2 --only hand-written --only bare --upstream python"
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *options.split(), "--json", str(found)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    rows = [line.split("|")[1].strip() for line in ended.stdout.splitlines() if line[:1] == "|"]
    assert rows == ["contender", "-" * 12, "hand-written", "bare"]
    report = json.loads(found.read_text())
    assert report["upstream"] == "asyncio.Protocol"
    assert report["client"] == "bench/load.py"
    assert [len(c["rounds"]) for c in report["contenders"]] == [2, 2]
    assert Counter(c["name"] for c in report["contenders"]) == {"hand-written": 1, "bare": 1}
    assert report["contenders"][1]["ratio"]["hand-written"] > 1
    assert 1_200 <= report["order"]["json_bytes"] <= 1_400


@pytest.mark.full
def test_every_contender_answers_the_order(tmp_path):
    options = ["--rounds", "1", "--seconds", "0.2", "--json", str(tmp_path / "bench.json")]
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "bench.json").read_text())
    assert [c["name"] for c in report["contenders"]] == [c.name for c in ROSTER]


def test_a_contender_that_is_not_installed_is_left_out_and_told(monkeypatch, capsys):
    monkeypatch.setattr(envoy, "find_envoy", lambda: None)
    names = [contender.name for contender in present(None)]
    assert names == [contender.name for contender in ROSTER if contender.name != "envoy"]
    assert "envoy is left out. Envoy is not installed; on Linux `make`" in capsys.readouterr().err


def test_a_contender_that_is_asked_for_and_not_installed_ends_the_run(monkeypatch):
    monkeypatch.setattr(envoy, "find_envoy", lambda: None)
    with pytest.raises(StartError, match="envoy: Envoy is not installed"):
        present(["envoy"])


def test_a_client_that_is_not_installed_ends_the_run(monkeypatch):
    monkeypatch.setattr("bench.__main__.find_ghz", lambda: None)
    with pytest.raises(StartError, match="ghz is not installed; `make tools`"):
        client("ghz")


def test_an_answer_that_differs_is_named_by_its_field():
    compare(Timestamp(seconds=1, nanos=2), Timestamp(seconds=1, nanos=2))
    with pytest.raises(AnswerError, match="the field 'nanos' is '3', not '2'"):
        compare(Timestamp(seconds=1, nanos=2), Timestamp(seconds=1, nanos=3))


def test_an_answer_with_more_than_the_order_has_is_refused():
    more = Timestamp(seconds=1)
    more.MergeFromString(b"\x98\x06\x01")  # a field that nobody declared
    with pytest.raises(AnswerError, match="fields that the order has not"):
        compare(Timestamp(seconds=1), more)


def test_the_median_of_the_rounds_is_quoted():
    standings = [standing("seawall", 900, 1000, 5000), standing("hand-written", 400, 500, 510)]
    assert ratio(standings[0], standings, "hand-written") == 2.0
    assert ratio(standings[0], standings, "usual-stack") is None
    row = as_table(standings).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[2:7]] == ["1,000", "410%", "2.00", "-", "-"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"server_busy": 0.84}, ["kept its core only 84% busy"]),
        ({"others_busy": 0.2}, ["others used 20% of the server's core"]),
        ({"load_busy": 0.9}, ["used 90% of their core"]),
    ],
)
def test_doubtful_figures_are_warned_of(values, expected):
    found = warnings([standing("seawall", 1000, **values)], Cores(server=1, load=0))
    assert len(found) == len(expected)
    assert all(part in warning for part, warning in zip(expected, found, strict=True))


def test_one_core_for_both_is_warned_of():
    assert "one core only" in warnings([standing("bare", 1)], Cores(server=0, load=0))[0]


def test_a_process_is_gone_after_its_block(tmp_path):
    # Lives until it is ended, which is the claim; the test does not wait for it.
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with (
        pytest.raises(KeyError),
        running(command, core=None, back_to=None, folder=tmp_path) as process,
    ):
        assert process.poll() is None
        raise KeyError
    assert process.poll() is not None


def test_an_address_that_is_told_too_early_is_waited_for(tmp_path):
    port = free_port()
    late = f"import time; time.sleep(0.1); import http.server as h; h.test(port={port})"
    command = [sys.executable, "-c", late]
    with running(command, core=None, back_to=None, folder=tmp_path) as process:
        wait_until_listening(f"127.0.0.1:{port}", process)
        socket.create_connection(("127.0.0.1", port), 1).close()


def test_a_server_that_ends_before_it_listens_is_not_waited_for(tmp_path):
    command = [sys.executable, "-c", ""]
    with (
        running(command, core=None, back_to=None, folder=tmp_path) as process,
        pytest.raises(StartError, match="ended before it served"),
    ):
        wait_until_listening(f"127.0.0.1:{free_port()}", process)


def test_a_server_that_does_not_come_up_has_its_last_words_told(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no such sea')"]
    with (
        running(command, core=None, back_to=None, folder=tmp_path, keep_stdout=True) as process,
        pytest.raises(StartError, match="ended before it served"),
    ):
        address_of(process)
    assert last_words(command, folder=tmp_path, environ={}) == "no such sea"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this system")
def test_cpu_time_counts_work_and_not_waiting():
    before = cpu_s(os.getpid())
    used_s, until = 0.0, sum(os.times()[:2]) + 0.2
    while used_s < until:
        used_s = sum(os.times()[:2])
    assert cpu_s(os.getpid()) - before >= 0.15
