"""`bench/contenders/usual_stack.py` with the settings of a case, over several endpoints.

`python -m bench.chaos.usual_stack URLS ORDER_FILE SETTINGS.yaml`. Attempts go to the
URLs in turn, each of which has a circuit of its own; that is what people write when
there is no load balancer. A request is never tried after the caller's deadline.

The settings, all of them:

    attempts                of tenacity, the first included
    wait_s, max_wait_s      multiplier and bound of its random exponential wait
    attempt_timeout_s       of httpx, for connecting and for each read
    max_in_flight           of a semaphore around each attempt, which is waited for
    in_flight_wait_s          no longer than this; 0 for no semaphore. (Limits of httpx's
                              pool are no substitute: callers that give up while they
                              wait in it leave it in disorder)
    failure_threshold       failures in a row that open a circuit; 0 for no circuits
    recovery_timeout_s      until an open one lets a call through again
"""

import asyncio
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml
from circuitbreaker import CircuitBreaker, CircuitBreakerError  # type: ignore[import-untyped]
from google.protobuf import json_format
from loadtest.v1 import orders_pb2, orders_pb2_grpc  # type: ignore[import-not-found]
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from bench.contenders.serve import serve

_POOL = httpx.Limits(max_connections=256, max_keepalive_connections=256)


class TooBusyError(Exception):
    """No place among those in flight was free in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """As the module says."""

    attempts: int
    wait_s: float
    max_wait_s: float
    attempt_timeout_s: float
    max_in_flight: int
    in_flight_wait_s: float
    failure_threshold: int
    recovery_timeout_s: float


def read_settings(path: Path) -> Settings:
    """Return a case's settings; every one must be there, and no other."""
    return Settings(**yaml.safe_load(path.read_text()))


class OrderClient:
    """The REST service, with retries and breakers."""

    def __init__(self, urls: list[str], settings: Settings) -> None:
        self._http = httpx.AsyncClient(timeout=settings.attempt_timeout_s, limits=_POOL)
        self._settings = settings
        self._places = asyncio.Semaphore(settings.max_in_flight or 1_000_000)
        self._gets = itertools.cycle([self._circuit(url) for url in urls])

    def _circuit(self, url: str) -> Any:
        async def get(order_id: str) -> bytes:
            try:
                await asyncio.wait_for(self._places.acquire(), self._settings.in_flight_wait_s)
            except TimeoutError as error:
                raise TooBusyError("too many requests in flight") from error
            try:
                response = await self._http.get(f"{url}/v1/orders/{order_id}")
            finally:
                self._places.release()
            response.raise_for_status()
            return response.content

        if not self._settings.failure_threshold:
            return get
        return CircuitBreaker(
            failure_threshold=self._settings.failure_threshold,
            recovery_timeout=self._settings.recovery_timeout_s,
            expected_exception=httpx.HTTPError,
            name=url,
        )(get)

    async def get_order(self, order_id: str) -> bytes:
        """Return an order's JSON."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((httpx.HTTPError, CircuitBreakerError)),
            stop=stop_after_attempt(self._settings.attempts),
            wait=wait_random_exponential(
                multiplier=self._settings.wait_s, max=self._settings.max_wait_s
            ),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                found: bytes = await next(self._gets)(order_id)
                return found
        raise AssertionError("tenacity returns or raises")


class OrderService(orders_pb2_grpc.OrderServiceServicer):  # type: ignore[misc]
    """Answers from the REST service."""

    def __init__(self, orders: OrderClient) -> None:
        self._orders = orders

    async def GetOrder(self, request: Any, context: Any) -> Any:  # noqa: N802 - the stub's name
        """Fetch an order."""
        try:
            body = await self._orders.get_order(request.order_id)
        except (httpx.HTTPError, CircuitBreakerError, TooBusyError) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return json_format.Parse(body, orders_pb2.Order())


async def setup(server: grpc.aio.Server, urls: str, _order: bytes) -> None:
    client = OrderClient(urls.split(","), read_settings(Path(_SETTINGS)))
    orders_pb2_grpc.add_OrderServiceServicer_to_server(OrderService(client), server)


if __name__ == "__main__":
    _SETTINGS = sys.argv.pop()  # `serve` takes the other two
    serve(setup)
