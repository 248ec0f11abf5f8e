"""What the hand-written contenders share: a port, a line that tells it, an end."""

import asyncio
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


def serve(setup: Setup) -> None:
    """Serve until the process is ended."""
    upstream, order_file = sys.argv[1:]
    asyncio.run(_serve(setup, upstream, Path(order_file).read_bytes()))
