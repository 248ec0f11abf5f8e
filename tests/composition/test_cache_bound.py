"""Kept answers stay under their bound, in the memory that the process really takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1024 * 1024
ROOT = Path(__file__).parents[2]
SLACK = 16 * MIB
"""Of the allocator, and of what a read or a write takes for a moment."""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("keys", "max_bytes"),
    [(50_000, 16 * MIB), pytest.param(1_000_000, 64 * MIB, marks=pytest.mark.full)],
)
def test_memory_stays_under_its_bound_whatever_is_offered(keys: int, max_bytes: int) -> None:
    path = os.pathsep.join(str(ROOT / part) for part in (".", "generated", "tests"))
    done = subprocess.run(
        [sys.executable, "-m", "support.offered_keys", str(keys), str(max_bytes)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(told)
    assert max_bytes * 0.9 <= told["holds"] <= max_bytes
    assert told["grown"] <= max_bytes + SLACK
    assert told["entries"] < keys
    assert told["last_is_there"]
    assert told["first_is_gone"]
    assert told["last_tenth_s"] < 3 * told["first_tenth_s"]
