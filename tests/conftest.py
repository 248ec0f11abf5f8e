"""Compiles the tests' own protos to stubs before anything is collected.

Gateways that are told nothing of a durable store keep it in a folder of this run, and not in that
of whoever runs the tests.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools
import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
OUT = ROOT / "build" / "test-stubs"


def pytest_configure(config: pytest.Config) -> None:
    state = tempfile.TemporaryDirectory(prefix="seawall-state-")
    config.add_cleanup(state.cleanup)
    os.environ["XDG_STATE_HOME"] = state.name
    os.environ.pop("STATE_DIRECTORY", None)
    folders = (TESTS, TESTS / "composition", TESTS / "e2e")
    roots = [folder / "protos" for folder in folders]
    OUT.mkdir(parents=True, exist_ok=True)
    files = [p for folder in roots for p in folder.rglob("*.proto")]
    newest = max(p.stat().st_mtime for p in files)
    stamp = OUT / ".stamp"
    if not stamp.exists() or stamp.stat().st_mtime < newest:
        site = Path(grpc_tools.__file__).parent.parent
        subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                *(f"-I{folder}" for folder in roots),
                f"-I{ROOT / 'protos'}",
                f"-I{site}",
                f"--python_out={OUT}",
                f"--grpc_python_out={OUT}",
                *map(str, files),
            ],
            check=True,
        )
        stamp.touch()
    sys.path.insert(0, str(OUT))
