"""The load clients agree with each other on a real server, and believe no failed call."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.thirdparty import find_tool

from bench.clients import read_ghz
from bench.load import LoadError

ROOT = Path(__file__).parents[3]

# As ghz 0.120 reports, without what is not read.
REPORT = {
    "count": 200,
    "total": 2_000_000_000,
    "slowest": 90_000_000,
    "statusCodeDistribution": {"OK": 200},
    "latencyDistribution": [
        {"percentage": 50, "latency": 10_000_000},
        {"percentage": 90, "latency": 20_000_000},
        {"percentage": 99, "latency": 30_000_000},
    ],
}


def test_a_report_of_ghz_is_read_in_seconds():
    found = read_ghz(REPORT)
    assert (found.calls, found.elapsed_s) == (200, 2.0)
    assert (found.p50_s, found.p90_s, found.p99_s, found.max_s) == (0.01, 0.02, 0.03, 0.09)


@pytest.mark.parametrize("statuses", [{"OK": 199, "Unavailable": 1}, {"Canceled": 200}, {}, None])
def test_a_report_of_ghz_with_a_failed_call_is_not_believed(statuses):
    report = copy.deepcopy(REPORT) | {"statusCodeDistribution": statuses}
    with pytest.raises(LoadError, match="of 200 calls"):
        read_ghz(report)


def test_a_report_of_ghz_without_calls_is_not_believed():
    with pytest.raises(LoadError, match="of 0 calls"):
        read_ghz(REPORT | {"count": 0, "statusCodeDistribution": {}})


def test_a_run_with_ghz_says_so_in_table_and_json(tmp_path):
    find_tool("ghz")
    found = tmp_path / "bench.json"
    options = "--rounds 1 --seconds 0.2 --only bare --upstream python --client ghz"
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *options.split(), "--json", str(found)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
        env=dict(os.environ),
    )
    assert ended.returncode == 0, ended.stderr
    assert "; client ghz" in ended.stdout
    assert '"client": "ghz' in found.read_text()
    assert '"calls": 0' not in found.read_text()
