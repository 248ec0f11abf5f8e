"""Who takes part, and how each is started for a case."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.cases import Case
from bench.chaos.envoy_settings import configuration
from bench.chaos.ports import free_port
from bench.contenders import envoy
from bench.order import OrderFiles

SETTINGS = Path(__file__).with_name("settings")
SEAWALL = "seawall"
ENVOY = "envoy"


@dataclass(frozen=True, slots=True)
class Start:
    """How one is started. Attributes: command. address: None where its output tells it."""

    command: list[str]
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of a case.

    Args:
        name: as `--only` takes it.
        what: in a few words.
        start: how it is started for a case, given the endpoints' ports.
        missing: what has to be installed first; None where nothing has.
    """

    name: str
    what: str
    start: Callable[[Case, Sequence[int], OrderFiles], Start]
    missing: Callable[[], str | None] = lambda: None


def settings(case: Case, name: str) -> Path:
    """Return the file of a case's settings for one of "seawall", "envoy", "usual"."""
    return SETTINGS / f"{case.letter}.{name}.yaml"


def _seawall_defaults(_case: Case, ports: Sequence[int], files: OrderFiles) -> Start:
    first, *others = (f"127.0.0.1:{port}" for port in ports)
    return Start(
        [
            *(sys.executable, "-m", "gateway", "serve"),
            *("--descriptor-set", str(files.descriptor_set)),
            *("--upstream", ",".join([f"http://{first}", *others])),
            *("--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"),
            *("--log-format", "json"),
        ]
    )


def _seawall(case: Case, ports: Sequence[int], files: OrderFiles) -> Start:
    start = _seawall_defaults(case, ports, files)
    return Start([*start.command, "--config", str(settings(case, "seawall"))])


def _envoy(case: Case, ports: Sequence[int], files: OrderFiles) -> Start:
    found = envoy.find_envoy()
    assert found is not None, envoy.MISSING
    port = free_port()
    config = configuration(
        settings(case, "envoy"),
        descriptor_set=str(files.descriptor_set),
        port=port,
        endpoints=ports,
    )
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    return Start([found, "--config-yaml", json.dumps(config), *options], f"127.0.0.1:{port}")


def _usual_stack(case: Case, ports: Sequence[int], files: OrderFiles) -> Start:
    urls = ",".join(f"http://127.0.0.1:{port}" for port in ports)
    module, path = "bench.chaos.usual_stack", settings(case, "usual")
    return Start([sys.executable, "-m", module, urls, str(files.prepared), str(path)])


CONTESTANTS = (
    Contestant(SEAWALL, "Seawall with its best settings for the case", _seawall),
    Contestant(
        "seawall-defaults",
        "Seawall without any configuration: protos and addresses",
        _seawall_defaults,
    ),
    Contestant(ENVOY, "Envoy with its best settings for the case", _envoy, envoy.missing),
    Contestant(
        "usual-stack", "grpc.aio + httpx + tenacity + circuitbreaker, likewise", _usual_stack
    ),
)
