"""The load clients that a turn can be measured with.

`own` is `load.py`. `ghz` is one that nobody here wrote, so that its figures can
confirm the others; it needs more CPU time for a call, of a core that it shares with
the upstream. Both keep the same number of calls in flight over as many connections.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import LoadClient, LoadError, LoadOptions, LoadResult
from bench.order import METADATA, METHOD, OrderFiles

_TOOLS = Path(__file__).parents[1] / "build" / "bin"
_NS_PER_S = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a load of one turn came to; all calls were good.

    Attributes:
        calls: how many there were.
        elapsed_s: from the first request to the last answer.
        p50_s, p90_s, p99_s, max_s: latency.
    """

    calls: int
    elapsed_s: float
    p50_s: float
    p90_s: float
    p99_s: float
    max_s: float


Load = Callable[[float], Figures]
"""Loads for so many seconds. Raises LoadError where a call fails."""


@dataclass(frozen=True, slots=True)
class Client:
    """A load client.

    Args:
        what: for the table.
        connected: gives the load on a target.
    """

    what: str
    connected: Callable[["Target"], AbstractContextManager[Load]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is loaded, and how hard.

    Attributes:
        address: "HOST:PORT".
        files: the order that is asked for.
        answer_bytes: length of a good answer. ghz does not look at it.
        concurrency: calls in flight.
        connections: that they share.
    """

    address: str
    files: OrderFiles
    answer_bytes: int
    concurrency: int
    connections: int


@contextmanager
def _own(target: Target) -> Iterator[Load]:
    options = LoadOptions(
        path=METHOD,
        request=target.files.request,
        answer_bytes=target.answer_bytes,
        concurrency=target.concurrency,
        connections=target.connections,
    )
    with LoadClient(target.address, options) as client:
        yield lambda seconds: _figures(client.run(seconds=seconds))


def _figures(result: LoadResult) -> Figures:
    if result.failed:
        worst = ", ".join(f"{count} x {what}" for what, count in result.failures.most_common(3))
        raise LoadError(f"{result.failed} of {result.calls} calls failed ({worst})")
    return Figures(
        calls=result.calls,
        elapsed_s=result.elapsed_s,
        p50_s=result.quantile_s(0.50),
        p90_s=result.quantile_s(0.90),
        p99_s=result.quantile_s(0.99),
        max_s=max(result.latencies_s),
    )


OWN = Client("bench/load.py", _own)


def find_ghz() -> str | None:
    """Return the path of ghz, None where it is not installed."""
    return shutil.which("ghz", path=str(_TOOLS)) or shutil.which("ghz")


def ghz(command: str) -> Client:
    """Return ghz as a client; `command` is its path."""

    @contextmanager
    def connected(target: Target) -> Iterator[Load]:
        request = target.files.folder / "ghz-request.binpb"
        request.write_bytes(target.files.request)
        fixed = [
            *(command, "--insecure", "--protoset", str(target.files.descriptor_set)),
            *("--call", METHOD.strip("/"), "--binary-file", str(request)),
            *("--concurrency", str(target.concurrency)),
            *("--connections", str(min(target.connections, target.concurrency))),
            # What is in flight at the end is waited for and counted.
            *("--metadata", json.dumps(dict(METADATA))),
            *("--duration-stop", "wait", "--timeout", "30s", "--format", "json"),
            *("--cpus", "1", "--disable-template-functions", "--disable-template-data"),
        ]
        yield lambda seconds: _run_ghz(
            [*fixed, "--duration", f"{seconds * 1000:.0f}ms", target.address]
        )

    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return Client(f"ghz {(told.stdout or told.stderr).strip()}", connected)


def _run_ghz(command: list[str]) -> Figures:
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120.0,
    )
    if ended.returncode:
        raise LoadError(f"ghz: {ended.stderr.decode(errors='replace').strip()[-500:]}")
    return read_ghz(json.loads(ended.stdout))


def read_ghz(report: dict[str, Any]) -> Figures:
    """Return what ghz's JSON report says.

    Raises:
        LoadError: not every call was good, or there was none.
    """
    calls = report["count"]
    statuses = report["statusCodeDistribution"] or {}
    if not calls or statuses.get("OK") != calls:
        raise LoadError(f"of {calls} calls of ghz ended: {statuses}")
    latencies_s = {
        entry["percentage"]: entry["latency"] / _NS_PER_S for entry in report["latencyDistribution"]
    }
    return Figures(
        calls=calls,
        elapsed_s=report["total"] / _NS_PER_S,
        p50_s=latencies_s[50],
        p90_s=latencies_s[90],
        p99_s=latencies_s[99],
        max_s=report["slowest"] / _NS_PER_S,
    )
