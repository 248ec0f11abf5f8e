"""What the process asks of its machine: an event loop and a scheduling policy.

Both are about many calls on little CPU and change nothing about a single one:

1. The loop is uvloop where it is installed, else asyncio's own.
2. `Scheduling.BATCH` (Linux, sched(7)): threads that wake do not interrupt each
   other. gRPC wakes the event loop's thread for every event, and on a core that
   they share each wake-up is a switch; without it they come in batches. It gives no
   priority and takes none away, and where there are cores to spare it does nothing.
"""

import asyncio
import contextlib
import enum
import os
import sys
from collections.abc import Coroutine
from typing import Any


class Scheduling(enum.StrEnum):
    """How the kernel treats the process's threads when they wake."""

    BATCH = "batch"
    NORMAL = "normal"


def run(main: Coroutine[Any, Any, None], scheduling: Scheduling = Scheduling.BATCH) -> None:
    """Run `main` to its end on the event loop that a gateway uses.

    Args:
        main: what to run.
        scheduling: asked of the kernel for this thread and those it starts; a kernel
            that refuses changes nothing else.
    """
    if scheduling is Scheduling.BATCH:
        _batch()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _batch() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it; it is a preference
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop
