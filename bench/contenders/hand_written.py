"""The short way by hand: grpc.aio, aiohttp and json_format, and no reliability at all."""

from typing import Any

import aiohttp
import grpc
from google.protobuf import json_format
from loadtest.v1 import orders_pb2, orders_pb2_grpc  # type: ignore[import-not-found]

from bench.contenders.serve import serve


class OrderService(orders_pb2_grpc.OrderServiceServicer):  # type: ignore[misc]
    """Answers from the REST service."""

    def __init__(self, session: aiohttp.ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream

    async def GetOrder(self, request: Any, context: Any) -> Any:  # noqa: N802 - the stub's name
        """Fetch an order."""
        url = f"{self._upstream}/v1/orders/{request.order_id}"
        async with self._session.get(url) as response:
            body = await response.read()
            if response.status != 200:
                await context.abort(grpc.StatusCode.UNAVAILABLE, f"HTTP {response.status}")
        return json_format.Parse(body, orders_pb2.Order())


async def setup(server: grpc.aio.Server, upstream: str, _order: bytes) -> None:
    service = OrderService(aiohttp.ClientSession(), upstream)
    orders_pb2_grpc.add_OrderServiceServicer_to_server(service, server)


if __name__ == "__main__":
    serve(setup)
