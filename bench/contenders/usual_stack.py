"""What people write today: grpc.aio, httpx, json_format, tenacity and circuitbreaker.

The pool keeps a connection for every call, where httpx by itself keeps 20: no
connect is counted against this contender.
"""

from typing import Any

import grpc
import httpx
from circuitbreaker import CircuitBreakerError, circuit  # type: ignore[import-untyped]
from google.protobuf import json_format
from loadtest.v1 import orders_pb2, orders_pb2_grpc  # type: ignore[import-not-found]
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from bench.contenders.serve import serve

_POOL = httpx.Limits(max_connections=256, max_keepalive_connections=256)


class OrderClient:
    """The REST service, with retries and a breaker."""

    def __init__(self, upstream: str) -> None:
        self._http = httpx.AsyncClient(base_url=upstream, timeout=5.0, limits=_POOL)

    @retry(
        retry=retry_if_exception_type(httpx.HTTPError),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        reraise=True,
    )
    @circuit(  # type: ignore[untyped-decorator]
        failure_threshold=5, recovery_timeout=30, expected_exception=httpx.HTTPError
    )
    async def get_order(self, order_id: str) -> bytes:
        """Return an order's JSON."""
        response = await self._http.get(f"/v1/orders/{order_id}")
        response.raise_for_status()
        return response.content


class OrderService(orders_pb2_grpc.OrderServiceServicer):  # type: ignore[misc]
    """Answers from the REST service."""

    def __init__(self, orders: OrderClient) -> None:
        self._orders = orders

    async def GetOrder(self, request: Any, context: Any) -> Any:  # noqa: N802 - the stub's name
        """Fetch an order."""
        try:
            body = await self._orders.get_order(request.order_id)
        except (httpx.HTTPError, CircuitBreakerError) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return json_format.Parse(body, orders_pb2.Order())


async def setup(server: grpc.aio.Server, upstream: str, _order: bytes) -> None:
    service = OrderService(OrderClient(upstream))
    orders_pb2_grpc.add_OrderServiceServicer_to_server(service, server)


if __name__ == "__main__":
    serve(setup)
