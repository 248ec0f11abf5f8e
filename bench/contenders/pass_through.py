"""grpc.aio and aiohttp without JSON: fetches the upstream's answer, returns prepared bytes."""

from typing import Any

import aiohttp
import grpc
from loadtest.v1 import orders_pb2  # type: ignore[import-not-found]

from bench.contenders.serve import serve


async def setup(server: grpc.aio.Server, upstream: str, order: bytes) -> None:
    session = aiohttp.ClientSession()

    async def get_order(request: Any, context: Any) -> bytes:
        async with session.get(f"{upstream}/v1/orders/{request.order_id}") as response:
            await response.read()
            if response.status != 200:
                await context.abort(grpc.StatusCode.UNAVAILABLE, f"HTTP {response.status}")
            return order

    handler: Any = grpc.unary_unary_rpc_method_handler(
        get_order, request_deserializer=orders_pb2.GetOrderRequest.FromString
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("loadtest.v1.OrderService", {"GetOrder": handler}),)
    )


if __name__ == "__main__":
    serve(setup)
