"""What an installed wheel brings, and that it runs from there alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build_wheel(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("seawall-*.whl")
    return wheel


def test_a_wheel_adds_only_gateway_and_seawall_and_runs_from_there(tmp_path: Path):
    with zipfile.ZipFile(build_wheel(tmp_path)) as wheel:
        names = wheel.namelist()
        site = tmp_path / "site"
        wheel.extractall(site)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "gateway",
        "seawall",
    }
    assert not [name for name in names if "panel/v1" in name]  # the demo ships descriptors
    assert {"gateway/demo/panel.binpb", "gateway/demo/panel.yaml"} <= set(names)
    assert "seawall/policy/v1/policy.proto" in names
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gateway", "routes"),
            *("--config", str(site / "gateway" / "demo" / "panel.yaml")),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "panel.v1.OrderService/GetOrder" in done.stdout
