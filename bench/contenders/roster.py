"""Who takes part: names, command lines and what each is, in the order of the table."""

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.order import OrderFiles

HAND_WRITTEN = "hand-written"
USUAL_STACK = "usual-stack"


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table.

    Args:
        name: as `--only` takes it.
        what: in a few words, for the help.
        module: of `bench.contenders`, None for Seawall itself.
        flags: beside those that every run of it needs.
    """

    name: str
    what: str
    module: str | None = None
    flags: tuple[str, ...] = ()

    def command(self, upstream: str, files: OrderFiles) -> list[str]:
        """Return the command line that serves `files` from `upstream`."""
        if self.module is not None:
            module = f"bench.contenders.{self.module}"
            return [sys.executable, "-m", module, upstream, str(files.prepared)]
        return [
            *(sys.executable, "-m", "gateway", "serve"),
            *("--descriptor-set", str(files.descriptor_set)),
            *("--upstream", upstream),
            *("--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"),
            *("--log-format", "json", *self.flags),
        ]


ROSTER = (
    Contender("seawall", "seawall serve with its defaults: an access line for every call"),
    Contender(
        "seawall-quiet", "the same with --log-level warning", flags=("--log-level", "warning")
    ),
    Contender("pass-through", "grpc.aio + aiohttp, no JSON", "pass_through"),
    Contender(HAND_WRITTEN, "grpc.aio + aiohttp + json_format", "hand_written"),
    Contender(
        USUAL_STACK, "grpc.aio + httpx + json_format + tenacity + circuitbreaker", "usual_stack"
    ),
    Contender("bare", "grpc.aio alone, calls nothing: the ceiling", "bare"),
)

ROOT = Path(__file__).parents[2]
