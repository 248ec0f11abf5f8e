"""One run: a contestant, started fresh, meets a case. Every process ends with it.

Simulator and clients are kept on the load's core, the contestant on the other.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.chaos.calls import Ended, arrivals
from bench.chaos.cases import Case
from bench.chaos.contestants import Contestant
from bench.chaos.plan import Capacity, Plan
from bench.chaos.ports import free_port
from bench.contenders.roster import ROOT
from bench.load import LoadClient, LoadOptions
from bench.order import METHOD, ORDER_ID, OrderFiles, check_answer
from bench.processes import (
    Cores,
    StartError,
    address_of,
    cpu_s,
    last_words,
    running,
    wait_until_listening,
)

_SETTLE_S = 0.3
_SLACK_S = 30.0
_BOUNDLESS = Capacity(workers=4096, service_s=0.0, max_queued=0)


class TrialError(Exception):
    """A run came to nothing; says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed.

    Attributes:
        calls: what the clients saw.
        upstream: what the simulator counted (`simulator.Stats`).
        busy: CPU time of the contestant as a share of the run; None where not known.
    """

    calls: list[Ended]
    upstream: dict[str, int]
    busy: float | None


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running one. Attributes: ports of its endpoints. control: its port for orders."""

    ports: list[int]
    control: int

    def stats(self) -> dict[str, int]:
        """Return what it counted since the start."""
        with socket.create_connection(("127.0.0.1", self.control), 5.0) as connection:
            connection.sendall(b'{"stats": true}\n')
            with connection.makefile("rb") as lines:
                found: dict[str, int] = json.loads(lines.readline())
        return found


@contextmanager
def simulator(plan: Plan, endpoints: int, files: OrderFiles, cores: Cores) -> Iterator[Simulator]:
    """Run a simulator for the length of the block.

    Raises:
        StartError: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="seawall-chaos-") as folder:
        ports = [free_port() for _ in range(endpoints)]
        control = free_port()
        spec = {
            "plan": plan.as_json(),
            "ports": ports,
            "control": control,
            "order": str(files.json),
            "name": ORDER_ID,
        }
        path = Path(folder) / "simulator.json"
        path.write_text(json.dumps(spec))
        command = [sys.executable, "-m", "bench.chaos.simulator", str(path)]
        with running(command, core=cores.load, back_to=cores.load, folder=ROOT) as process:
            try:
                wait_until_listening(f"127.0.0.1:{control}", process)
            except StartError as error:
                said = last_words(command, folder=ROOT, environ={})
                raise StartError(f"simulator: {error}\n{said}") from None
            yield Simulator(ports, control)


@contextmanager
def _serving(
    contestant: Contestant, case: Case, ports: list[int], files: OrderFiles, cores: Cores
) -> Iterator[tuple[str, int]]:
    """Run a contestant; yield its address and process id."""
    start = contestant.start(case, ports, files)
    environ = _environ(files)
    with running(
        start.command,
        core=cores.server,
        back_to=cores.load,
        folder=ROOT,
        environ=environ,
        keep_stdout=start.address is None,
    ) as process:
        try:
            address = start.address or address_of(process)
            wait_until_listening(address, process)
        except StartError as error:
            said = last_words(start.command, folder=ROOT, environ=environ)
            raise StartError(f"{contestant.name}: {error}\n{said}") from None
        yield address, process.pid


def trial(contestant: Contestant, case: Case, seed: int, files: OrderFiles, cores: Cores) -> Run:
    """Let a contestant meet a case once.

    Raises:
        StartError: something did not come up.
        TrialError: the clients came to no end.
    """
    with (
        simulator(case.plan(seed), case.endpoints, files, cores) as upstream,
        _serving(contestant, case, upstream.ports, files, cores) as (address, pid),
    ):
        used_s = cpu_s(pid)
        calls = _clients(case, seed, address, upstream.control, files, cores)
        now_used_s = cpu_s(pid)
        time.sleep(_SETTLE_S)  # attempts that outlast their callers are counted too
        stats = upstream.stats()
    busy = None if used_s is None or now_used_s is None else (now_used_s - used_s) / case.seconds
    return Run(calls, stats, busy)


def _clients(
    case: Case, seed: int, address: str, control: int, files: OrderFiles, cores: Cores
) -> list[Ended]:
    with tempfile.TemporaryDirectory(prefix="seawall-chaos-") as folder:
        result = Path(folder) / "calls.json"
        spec = {
            "address": address,
            "control": control,
            "deadline_s": case.deadline_s,
            "retry": case.clients_retry,
            "per_s": case.per_s,
            "criticality": case.classes[0],
            "arrivals": arrivals(case, seed),
            "result": str(result),
        }
        path = Path(folder) / "client.json"
        path.write_text(json.dumps(spec))
        command = [sys.executable, "-m", "bench.chaos.client", str(path)]
        environ = _environ(files)
        with running(
            command, core=cores.load, back_to=cores.load, folder=ROOT, environ=environ
        ) as process:
            try:
                status = process.wait(case.seconds + case.deadline_s + _SLACK_S)
            except subprocess.TimeoutExpired:
                raise TrialError("the clients came to no end") from None
        if status:
            raise TrialError("the clients got no answer before the start, or broke")
        found: list[Any] = json.loads(result.read_text())
    return [Ended(*one) for one in found]


def calibrate(
    contestant: Contestant, case: Case, files: OrderFiles, cores: Cores, seconds: float = 2.0
) -> float:
    """Return the calls a second that a contestant does over an upstream that never waits.

    A closed loop of 64 calls (`bench/load.py`), after half a second that is not counted.
    """
    with (
        simulator(Plan(seed=0, capacity=_BOUNDLESS), 1, files, cores) as upstream,
        _serving(contestant, case, upstream.ports, files, cores) as (address, _),
    ):
        options = LoadOptions(
            path=METHOD, request=files.request, answer_bytes=check_answer(address, files)
        )
        with LoadClient(address, options) as client:
            client.run(seconds=min(0.5, seconds))
            result = client.run(seconds=seconds)
    return (result.calls - result.failed) / result.elapsed_s


def _environ(files: OrderFiles) -> Mapping[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    folders = (str(files.folder), *([inherited] if inherited else []))
    return {"PYTHONPATH": os.pathsep.join(folders)}
