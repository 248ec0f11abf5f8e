"""The recipes of the documentation, run as they stand."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.thirdparty import ROOT, find_tool

TEXT = (ROOT / "docs" / "recipes.md").read_text()
RECIPES = dict(re.findall(r"^```bash recipe=(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
PROTO = re.search(r"^```proto\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
BEGIN = """set -euo pipefail
wait_for() {
  for _ in $(seq 200); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done
  echo "nothing listens on $1"; exit 1
}
"""
PORT = re.compile(r"\b5015\d\b")
SAID = {
    "keys": (
        "refused, as it has no key",
        "the call has no credential; send",
        '"status": "SERVING"',
    ),
    "tls": ('"status": "SERVING"', "subject=CN = seawall again"),
    "stripe": (
        "is not reachable",
        "let through, to an upstream that is not there",
        "the signature is missing, or is not that of this body",
        "forged, and refused",
    ),
}


def unused_port() -> str:
    """Return a port that no connection of another program is given: below 32768."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as bound, contextlib.suppress(OSError):
            bound.bind(("127.0.0.1", port))
            return str(port)


def test_every_recipe_says_what_it_shows() -> None:
    assert set(RECIPES) == set(SAID)


@pytest.mark.parametrize("recipe", SAID)
def test_a_recipe_does_what_it_says(recipe: str, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "grpcurl").symlink_to(find_tool("grpcurl"))
    (tools / "seawall").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
    (tools / "seawall").chmod(0o755)
    assert shutil.which("openssl"), "every machine that builds Python has it"
    assert PROTO is not None
    (tmp_path / "protos").mkdir()
    (tmp_path / "protos" / "shop.proto").write_text(PROTO[1])
    log = tmp_path / "printed.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-c", BEGIN + PORT.sub(unused_port(), RECIPES[recipe])],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(90)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the gateway goes on without it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
    printed = log.read_text()
    assert process.returncode == 0, printed
    for said in SAID[recipe]:
        assert said in printed, printed
