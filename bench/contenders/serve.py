"""What the hand-written contenders share: a port, a line that tells it, an end."""

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

Setup = Callable[[grpc.aio.Server, str, bytes], Awaitable[None]]
"""Adds the contender to a server, given the upstream's URL and the serialized order."""


async def _serve(setup: Setup, upstream: str, order: bytes) -> None:
    server = grpc.aio.server()
    await setup(server, upstream, order)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"gRPC on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def _tune() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Put this process under SCHED_BATCH; return uvloop's loop, None where there is none.

    Threads inherit the scheduling policy, so this comes before gRPC starts its own.
    """
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(
            "uvloop"
        ).new_event_loop
    except ImportError:
        return None
    return factory


def serve(setup: Setup, *, tuned: bool = False) -> None:
    """Serve until the process is ended.

    Args:
        setup: adds the contender.
        tuned: with uvloop and SCHED_BATCH, where there are any.
    """
    upstream, order_file = sys.argv[1:]
    with asyncio.Runner(loop_factory=_tune() if tuned else None) as runner:
        runner.run(_serve(setup, upstream, Path(order_file).read_bytes()))
