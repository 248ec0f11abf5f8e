"""The clients: an open loop of real gRPC calls, in a process of its own.

`python -m bench.chaos.client SPEC.json` warms up, tells the simulator's control port
when the run begins, begins each call at its moment whatever became of the others, and
writes a list of `calls.Ended` to the spec's file.

The warm-up is calls until one succeeds, then one second at the rate of the run. It is
not counted.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
from loadtest.v1 import orders_pb2  # type: ignore[import-not-found]

from bench.chaos.calls import Arrival, Ended
from bench.order import METHOD

CHANNELS = 4
_FIRST_ANSWER_S = 15.0
_WARM_UP_S = 1.0
_HEAD_START_S = 0.25

RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
"""Of the clients that retry, as people write it: without a retryThrottling."""


class Clients:
    """Callers that share a few channels."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], deadline_s: float) -> None:
        self._stubs: list[Any] = [
            channel.unary_unary(
                METHOD,
                request_serializer=orders_pb2.GetOrderRequest.SerializeToString,
                response_deserializer=orders_pb2.Order.FromString,
            )
            for channel in channels
        ]
        self._deadline_s = deadline_s
        self._next = 0

    async def call(self, name: str, criticality: str) -> str:
        """Make one call and return how it ended."""
        self._next += 1
        stub = self._stubs[self._next % len(self._stubs)]
        try:
            answer = await stub(
                orders_pb2.GetOrderRequest(order_id=name),
                timeout=self._deadline_s,
                metadata=(("x-criticality", criticality),),
            )
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK" if answer.order_id == name else "WRONG_ANSWER"

    async def warm_up(self, per_s: float, criticality: str) -> None:
        """Call until one succeeds, then for a second.

        Raises:
            TimeoutError: none succeeded.
        """
        async with asyncio.timeout(_FIRST_ANSWER_S):
            number = 0
            while await self.call(f"W{number:06d}", criticality) != "OK":
                number += 1
                await asyncio.sleep(0.1)
        calls = []
        for number in range(round(per_s * _WARM_UP_S)):
            calls.append(asyncio.create_task(self.call(f"V{number:06d}", criticality)))
            await asyncio.sleep(1 / per_s)
        await asyncio.gather(*calls)

    async def run(self, arrivals: Sequence[Arrival], start_at: float) -> list[Ended]:
        """Begin each call at its moment; return all of them once they have ended."""
        tasks = []
        for arrival in arrivals:
            wait_s = start_at + arrival.at_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            tasks.append(asyncio.create_task(self._timed(arrival, start_at)))
        return await asyncio.gather(*tasks)

    async def _timed(self, arrival: Arrival, start_at: float) -> Ended:
        began_s = time.monotonic() - start_at
        status = await self.call(arrival.call, arrival.criticality)
        ended_s = time.monotonic() - start_at
        return Ended(arrival.at_s, began_s, ended_s, status, arrival.criticality)


def _options(number: int, *, retry: bool) -> list[tuple[str, Any]]:
    # Without an argument of its own each, all channels would share one connection.
    options: list[tuple[str, Any]] = [("bench.channel", number)]
    if retry:
        config = {"methodConfig": [{"name": [{}], "retryPolicy": RETRY_POLICY}]}
        options.append(("grpc.service_config", json.dumps(config)))
    return options


async def _tell(port: int, order: dict[str, Any]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(json.dumps(order).encode() + b"\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()


async def main(spec: dict[str, Any]) -> list[Ended]:
    """Run what the spec says."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(
                    spec["address"], options=_options(number, retry=spec["retry"])
                )
            )
            for number in range(CHANNELS)
        ]
        clients = Clients(channels, spec["deadline_s"])
        await clients.warm_up(spec["per_s"], spec["criticality"])
        start_at = time.monotonic() + _HEAD_START_S
        await _tell(spec["control"], {"start": start_at})
        return await clients.run([Arrival(*one) for one in spec["arrivals"]], start_at)


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    Path(given["result"]).write_text(json.dumps(asyncio.run(main(given))))
