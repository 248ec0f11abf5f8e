"""Durable operations as the scenarios see them, on the clock that a test drives."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
from fakes.clock import FakeClock
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2
from seawall.operations.v1.operations_pb2 import OperationMetadata
from support.gateways import Running


def durable(tmp_path: Path) -> str:
    """Return YAML: a durable store of this test's own."""
    return f"state: {{durable: 'sqlite:///{tmp_path}/seawall.db'}}"


async def get(channel: grpc.aio.Channel, name: str) -> operations_pb2.Operation:
    stub = operations_pb2_grpc.OperationsStub(channel)
    return await stub.GetOperation(operations_pb2.GetOperationRequest(name=name))


async def wait(
    channel: grpc.aio.Channel, name: str, timeout_s: int = 40
) -> operations_pb2.Operation:
    """Wait for the end of an operation of a gateway on the system's clock."""
    stub = operations_pb2_grpc.OperationsStub(channel)
    return await stub.WaitOperation(
        operations_pb2.WaitOperationRequest(
            name=name, timeout=duration_pb2.Duration(seconds=timeout_s)
        )
    )


def metadata_of(operation: operations_pb2.Operation) -> OperationMetadata:
    found = OperationMetadata()
    assert operation.metadata.Unpack(found), operation
    return found


async def passing(
    clock: FakeClock, holds: Callable[[], bool], step_s: float = 1.0, steps: int = 400
) -> None:
    """Let time pass until `holds()`."""
    for _ in range(steps):
        if holds():
            return
        clock.advance(step_s)
        await asyncio.sleep(0.02)
    raise AssertionError("it never held")


async def ended(
    running: Running, clock: FakeClock, name: str, step_s: float = 1.0
) -> operations_pb2.Operation:
    """Let time pass until an operation has ended: slowly while an attempt is under way."""
    for _ in range(1000):
        found = await get(running.channel, name)
        if found.done:
            return found
        is_running = metadata_of(found).state == OperationMetadata.RUNNING
        clock.advance(min(step_s, 0.05) if is_running else step_s)
        await asyncio.sleep(0.02)
    raise AssertionError(f"it has not ended: {found}")
