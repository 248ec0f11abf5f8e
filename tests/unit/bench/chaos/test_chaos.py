"""The command, from end to end, as short as it can be."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from bench.chaos.__main__ import arguments
from bench.chaos.ports import free_port
from bench.contenders.roster import ROOT


def test_a_short_run_prints_its_table_and_writes_json_and_picture(tmp_path):
    found, picture = tmp_path / "deep" / "chaos.json", tmp_path / "chaos.svg"
    options = "--only-case a --only usual-stack --repetitions 1 --seconds 1.5"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "bench.chaos", *options.split()),
            *("--json", str(found), "--svg", str(picture)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "| usual-stack" in ended.stdout
    assert "calls/s without faults" in ended.stderr
    (case,) = json.loads(found.read_text())["cases"]
    (contestant,) = case["contestants"]
    assert contestant["runs"][0]["success"] > 0.5
    assert contestant["runs"][0]["calls"] > 20
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    "options", ["--only-case x", "--only nobody", "--repetitions 0", "--seconds 0.1", "--seconds x"]
)
def test_what_cannot_be_run_is_refused(options, capsys):
    with pytest.raises(SystemExit):
        arguments("2026-03-01").parse_args(options.split())
    assert options.split()[0] in capsys.readouterr().err


def test_ports_are_never_those_of_outgoing_connections():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(21_000 <= port < 32_000 for port in ports)
