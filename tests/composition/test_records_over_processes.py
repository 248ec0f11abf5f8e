"""One durable store, and processes that claim the same keys at the same time, and die."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.durable import claim, new_key, opened, reclaim, recording
from support.postgres import shared_server

from gateway.state.records import Standing

ROOT = Path(__file__).parents[2]
PROCESSES, KEYS, ROUNDS = 8, 100, 10


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/seawall.db"
    return shared_server().database()


@contextmanager
def processes(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "generated", "tests"))
    running = subprocess.Popen(
        [sys.executable, "-m", "support.record_processes", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()


def test_of_eight_processes_one_claims_a_key(url: str) -> None:
    with processes(url, str(PROCESSES), str(KEYS), str(ROUNDS)) as running:
        assert running.stdout is not None
        rounds = [json.loads(line) for line in running.stdout]
        assert running.wait(10) == 0
        assert [line[:4] for line in rounds] == [[KEYS, 1, 1, KEYS]] * ROUNDS


async def test_the_claim_of_a_killed_process_is_unknown_after_its_lease(url: str) -> None:
    key, lease_s = new_key(), 2.0
    with processes(url, "hold", key.hex(), str(lease_s)) as running:
        assert running.stdout is not None
        token = int(running.stdout.readline())
        running.kill()
        running.wait(10)
    async with opened(url, timeout_s=10.0) as durable, recording(durable) as records:
        found = await claim(records, key, lease_s=9, retention_s=60)
        assert (found.standing, found.token) == (Standing.CLAIMED, token)
        ends_at = time.monotonic() + found.left_s
        while found.standing is Standing.CLAIMED:
            await asyncio.sleep(0.05)
            found = await claim(records, key, lease_s=9, retention_s=60)
        assert abs(time.monotonic() - ends_at) < 1
        assert (found.standing, found.token) == (Standing.UNKNOWN, token)
        assert await reclaim(records, key, token) is not None
