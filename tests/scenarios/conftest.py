"""Processes for the scenarios: this one calls, a gateway serves, downstreams misbehave.

The downstreams keep running and begin each test as new. So does the gateway over the
panel; where a test needs another state of it, or another time, it starts its own
(gateways.py).
"""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from panel.v1 import orders_pb2, orders_pb2_grpc
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, downstream_process
from support.gateways import seawall_process

import gateway.demo

CONFIG = Path(gateway.demo.__file__).with_name("panel.yaml")


@pytest.fixture(scope="session")
def panel_process() -> Iterator[Downstream]:
    with downstream_process("panel") as panel:
        yield panel


@pytest.fixture(scope="session")
def cloud_process() -> Iterator[Downstream]:
    with downstream_process("cloud") as cloud:
        yield cloud


@pytest.fixture(scope="session")
def commerce_process() -> Iterator[Downstream]:
    with downstream_process("commerce") as commerce:
        yield commerce


@pytest.fixture(scope="session")
def market_process() -> Iterator[Downstream]:
    with downstream_process("market") as market:
        yield market


@pytest.fixture(scope="session")
def registry_process() -> Iterator[Downstream]:
    with downstream_process("deploy") as registry:
        yield registry


@pytest.fixture(scope="session")
def deployer_process() -> Iterator[Downstream]:
    with downstream_process("deploy") as deployer:
        yield deployer


@pytest.fixture(scope="module")
def gateway_address(
    panel_process: Downstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    names = PANEL_UPSTREAMS
    upstreams = (f"--upstream={name}={panel_process.url}" for name in names)
    arguments = ("--config", str(CONFIG), *upstreams)
    with seawall_process(*arguments, tmp_path=tmp_path_factory.mktemp("gateway")) as seawall:
        yield seawall.address


def as_new(downstream: Downstream) -> Downstream:
    downstream.reset()
    return downstream


@pytest.fixture
def panel(panel_process: Downstream, gateway_address: str) -> Downstream:
    """The panel as new, and a gateway that has forgotten what the test before made of it."""
    as_new(panel_process)
    with grpc.insecure_channel(gateway_address) as channel:
        until_calm(orders_pb2_grpc.OrderServiceStub(channel))
    return as_new(panel_process)


def until_calm(orders: orders_pb2_grpc.OrderServiceStub) -> None:
    """Call until the breaker has closed: until a few calls in a row are answered.

    Orders, which nobody keeps, are of the upstream that the other methods have.
    """
    answered, gives_up_at = 0, time.monotonic() + 20
    while answered < 5:
        assert time.monotonic() < gives_up_at
        try:
            orders.ListOrders(orders_pb2.ListOrdersRequest(), timeout=5)
            answered += 1
        except grpc.RpcError:
            answered = 0


@pytest.fixture
def cloud(cloud_process: Downstream) -> Downstream:
    return as_new(cloud_process)


@pytest.fixture
def functions(panel_process: Downstream) -> Downstream:
    """The panel's functions as new, for tests with a gateway of their own."""
    return as_new(panel_process)


@pytest.fixture
def commerce(commerce_process: Downstream) -> Downstream:
    return as_new(commerce_process)


@pytest.fixture
def market(market_process: Downstream) -> Downstream:
    return as_new(market_process)


@pytest.fixture
def registry(registry_process: Downstream) -> Downstream:
    """The template registry of `deploy.v1`."""
    return as_new(registry_process)


@pytest.fixture
def deployer(deployer_process: Downstream) -> Downstream:
    """The store deployer of `deploy.v1`."""
    return as_new(deployer_process)


@pytest.fixture
def channel(gateway_address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(gateway_address) as channel:
        yield channel
