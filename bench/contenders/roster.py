"""Who takes part: names, command lines and what each is, in the order of the table."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import envoy
from bench.order import OrderFiles

HAND_WRITTEN = "hand-written"
USUAL_STACK = "usual-stack"
PASS_THROUGH = "pass-through"

ROOT = Path(__file__).parents[2]
_FULL = Path(__file__).with_name("seawall_full.yaml")
_CACHED = Path(__file__).with_name("seawall_cached.yaml")

Command = Callable[[str, OrderFiles], list[str]]
"""The command line that serves the files from the upstream's URL."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table.

    Args:
        name: as `--only` takes it.
        what: in a few words, for the help.
        command: how it is started.
        missing: what has to be installed first; None where nothing has.
    """

    name: str
    what: str
    command: Command
    missing: Callable[[], str | None] = lambda: None


def _seawall(*flags: str) -> Command:
    def command(upstream: str, files: OrderFiles) -> list[str]:
        return [
            *(sys.executable, "-m", "gateway", "serve"),
            *("--descriptor-set", str(files.descriptor_set)),
            *("--upstream", upstream),
            *("--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"),
            *("--log-format", "json", *flags),
        ]

    return command


def _python(module: str) -> Command:
    def command(upstream: str, files: OrderFiles) -> list[str]:
        module_path = f"bench.contenders.{module}"
        return [sys.executable, "-m", module_path, upstream, str(files.prepared)]

    return command


def _envoy(upstream: str, files: OrderFiles) -> list[str]:
    module_path = envoy.__name__
    return [sys.executable, "-m", module_path, upstream, str(files.descriptor_set)]


ROSTER = (
    Contender(
        "seawall", "seawall serve with its defaults: an access line for every call", _seawall()
    ),
    Contender(
        "seawall-full",
        "with a file that switches every policy on: seawall_full.yaml",
        _seawall("--config", str(_FULL)),
    ),
    Contender(
        "seawall-quiet", "the defaults with --log-level warning", _seawall("--log-level", "warning")
    ),
    Contender(
        "seawall-cached",
        "the defaults and a cache, which has the answer: seawall_cached.yaml",
        _seawall("--config", str(_CACHED)),
    ),
    Contender("envoy", "Envoy's reverse transcoder with the same promises", _envoy, envoy.missing),
    Contender(PASS_THROUGH, "grpc.aio + aiohttp, no JSON", _python("pass_through")),
    Contender(
        "pass-through-tuned",
        "the same on uvloop and under SCHED_BATCH",
        _python("pass_through_tuned"),
    ),
    Contender(HAND_WRITTEN, "grpc.aio + aiohttp + json_format", _python("hand_written")),
    Contender(
        USUAL_STACK,
        "grpc.aio + httpx + json_format + tenacity + circuitbreaker",
        _python("usual_stack"),
    ),
    Contender("bare", "grpc.aio alone, calls nothing: the ceiling", _python("bare")),
)
