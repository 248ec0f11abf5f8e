"""The ceiling: a grpc.aio handler that answers prepared bytes and calls nothing."""

from typing import Any

import grpc

from bench.contenders.serve import serve


async def setup(server: grpc.aio.Server, _upstream: str, order: bytes) -> None:
    async def get_order(_request: bytes, _context: Any) -> bytes:
        return order

    handler: Any = grpc.unary_unary_rpc_method_handler(get_order)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("loadtest.v1.OrderService", {"GetOrder": handler}),)
    )


if __name__ == "__main__":
    serve(setup)
