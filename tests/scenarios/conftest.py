"""Three processes for the scenarios of `panel.v1`: this one calls, a gateway serves, a panel
misbehaves. All keep running; the panel begins each test as new."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from scenarios.downstreams import Downstream, downstream_process
from support.gateways import seawall_process

import gateway.demo

DESCRIPTORS = Path(gateway.demo.__file__).with_name("panel.binpb")


@pytest.fixture(scope="session")
def panel_process() -> Iterator[Downstream]:
    with downstream_process("panel") as panel:
        yield panel


@pytest.fixture(scope="session")
def gateway_address(
    panel_process: Downstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    arguments = ("--descriptor-set", str(DESCRIPTORS), "--upstream", f"panel={panel_process.url}")
    with seawall_process(*arguments, tmp_path=tmp_path_factory.mktemp("gateway")) as seawall:
        yield seawall.address


@pytest.fixture
def panel(panel_process: Downstream) -> Downstream:
    panel_process.reset()
    return panel_process


@pytest.fixture
def channel(gateway_address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(gateway_address) as channel:
        yield channel
