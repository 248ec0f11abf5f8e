"""The event loop and the scheduling policy of a process."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
import uvloop
from support.gateways import PROTOS, seawall_process

from gateway import process
from gateway.core.clock import SystemClock


def test_the_loop_is_uvloop() -> None:
    loops = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())

    process.run(main(), process.Scheduling.NORMAL)
    assert isinstance(loops[0], uvloop.Loop)


@pytest.mark.skipif(sys.platform != "linux", reason="scheduling policies are Linux's")
@pytest.mark.parametrize(
    ("flags", "policy"), [((), "BATCH"), (("--scheduling", "normal"), "OTHER")]
)
def test_serve_asks_for_the_scheduling_policy(
    tmp_path: Path, flags: tuple[str, ...], policy: str
) -> None:
    upstream = ("--upstream", "http://127.0.0.1:1")
    service = ("--service", "shop.v1.OrderService")
    with seawall_process(
        "--proto", str(PROTOS), *service, *upstream, *flags, tmp_path=tmp_path
    ) as p:
        threads = [int(name) for name in os.listdir(f"/proc/{p.process.pid}/task")]
        assert len(threads) > 1
        expected = getattr(os, f"SCHED_{policy}")
        assert {os.sched_getscheduler(thread) for thread in threads} == {expected}


def test_no_timer_runs_before_its_time_on_either_loop() -> None:
    async def earliest() -> float:
        clock, early = SystemClock(), []
        loop = asyncio.get_running_loop()
        for i in range(60):
            when = clock.now() + 0.0003 * (i % 20)
            fired = loop.create_future()
            clock.call_at(when, lambda fired=fired: fired.set_result(time.monotonic()))
            early.append(when - await fired)
        return max(early)

    for factory in (uvloop.new_event_loop, asyncio.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            assert runner.run(earliest()) <= 0
