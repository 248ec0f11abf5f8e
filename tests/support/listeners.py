"""A gateway whose listeners are those of its configuration file, and clients of them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from shop.v1 import orders_pb2, orders_pb2_grpc

from gateway.app import Gateway, Settings, load
from gateway.config.resolve import Flags
from gateway.core.events import CallEnded, Event

from .certificates import Pair
from .gateways import PROTOS

REQUEST = orders_pb2.GetOrderRequest(order_id="1")


@dataclass
class Listening:
    """A gateway in this process.

    Attributes:
        gateway: itself.
        events: everything that it emitted.
    """

    gateway: Gateway
    events: list[Event]

    def of(self, kind: type) -> list[Any]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def last_call(self) -> Any:
        """Return the call that ended last."""
        return self.of(CallEnded)[-1].call

    def target(self, index: int = 0) -> str:
        """Return what a client writes to reach a listener, by a name that certificates have."""
        return f"localhost:{self.gateway.addresses[index].rpartition(':')[2]}"


@asynccontextmanager
async def listening(config: str, folder: Path, upstream: str) -> AsyncIterator[Listening]:
    """Run a gateway with `config` (YAML), which says where it listens."""
    path = folder / "seawall.yaml"
    path.write_text(config)
    settings = Settings(
        proto=PROTOS, config=path, ops_listen="off", flags=Flags((), {"": upstream})
    )
    loaded = await asyncio.to_thread(load, settings)
    events: list[Event] = []
    gateway = Gateway(settings, loaded, listeners=[events.append])
    await gateway.start()
    try:
        yield Listening(gateway, events)
    finally:
        await gateway.stop()


def channel(
    target: str, ca: bytes | None = None, pair: Pair | None = None, **options: int
) -> grpc.aio.Channel:
    """Return a channel with a connection of its own."""
    arguments = [
        ("grpc.use_local_subchannel_pool", 1),
        *((f"grpc.{key}", value) for key, value in options.items()),
    ]
    if ca is None:
        return grpc.aio.insecure_channel(target, options=arguments)
    key, cert = (pair.key, pair.cert) if pair is not None else (None, None)
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    return grpc.aio.secure_channel(target, credentials, options=arguments)


async def get_order(over: grpc.aio.Channel, timeout: float = 10) -> str:
    """Call GetOrder; return the order's id."""
    stub = orders_pb2_grpc.OrderServiceStub(over)
    answer = await stub.GetOrder(REQUEST, timeout=timeout)
    order_id: str = answer.order_id
    return order_id


async def call_once(target: str, ca: bytes | None = None, pair: Pair | None = None) -> str:
    """Call GetOrder on a new connection; return the status's name."""
    async with channel(target, ca, pair) as over:
        try:
            await get_order(over)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


async def served_number(target: str) -> int:
    """Return the serial number of the certificate that a new connection is shown."""
    host, _, port = target.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        shown: ssl.SSLObject = writer.get_extra_info("ssl_object")
        der = shown.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number
    finally:
        writer.close()


async def within(seconds: float, holds: Any) -> bool:
    """Return whether `holds` (a coroutine function) becomes true in this time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await holds():
        if loop.time() > end:
            return False
        await asyncio.sleep(0.05)
    return True
