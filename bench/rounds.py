"""The measurement: every contender in turn, round after round.

All servers run from the first round to the last, idle but for their own turns. A
turn is: one call through a real stub, compared field by field; a warm-up that is
not counted; the load. Medians over rounds are what the report quotes.
"""

import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.clients import OWN, Client, Target
from bench.contenders.roster import ROOT, Contender
from bench.load import LoadError
from bench.order import AnswerError, OrderFiles, check_answer
from bench.processes import (
    Cores,
    StartError,
    address_of,
    core_busy_s,
    cpu_s,
    last_words,
    running,
    wait_until_listening,
)
from bench.upstream import Upstream

WARM_UP_S = 0.5
_BUSY_ENOUGH = 0.85
_DISTURBED = 0.10
_LOADED = 0.85

Progress = Callable[[str], None]


class BenchError(Exception):
    """The bench cannot be believed: a call failed, or a contender answered wrongly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundOptions:
    """How much, and by whom.

    Args:
        seconds: of load a turn.
        rounds: of turns.
        concurrency: calls in flight.
        connections: that they share.
        client: who loads.
    """

    seconds: float
    rounds: int
    concurrency: int
    connections: int
    client: Client = OWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One contender in one round. Shares are of one core; None where they are not known.

    Attributes:
        calls_per_s: throughput.
        calls: how many there were.
        p50_ms, p90_ms, p99_ms, max_ms: latency.
        cpu_us_per_call: the server's CPU time.
        server_busy: the server's share of its core.
        others_busy: everybody else's share of that core.
        load_us_per_call: CPU time of load client and upstream.
        load_busy: their share of their core.
    """

    calls_per_s: float
    calls: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    cpu_us_per_call: float | None
    server_busy: float | None
    others_busy: float | None
    load_us_per_call: float | None
    load_busy: float | None


@dataclass(slots=True)
class Standing:
    """A contender and its turns so far."""

    contender: Contender
    turns: list[Turn] = field(default_factory=list)

    def median(self, name: str) -> float | None:
        """Return the median of one of a turn's values; None where it is not known."""
        values = [getattr(turn, name) for turn in self.turns]
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    @property
    def calls_per_s(self) -> float:
        """Median throughput."""
        return statistics.median(turn.calls_per_s for turn in self.turns)

    @property
    def spread(self) -> float:
        """Distance of the best from the worst round, as a share of the median."""
        rates = [turn.calls_per_s for turn in self.turns]
        return (max(rates) - min(rates)) / self.calls_per_s

    def warnings(self) -> list[str]:
        """Return what makes this row doubtful."""
        found = []
        busy, others = self.median("server_busy"), self.median("others_busy")
        if busy is not None and busy < _BUSY_ENOUGH:
            found.append(
                f"{self.contender.name}: the server kept its core only {busy:.0%} busy, so "
                "something else was the bottleneck"
            )
        if others is not None and others > _DISTURBED:
            found.append(
                f"{self.contender.name}: others used {others:.0%} of the server's core; "
                "repeat on a quiet machine"
            )
        load = self.median("load_busy")
        if load is not None and load > _LOADED:
            found.append(
                f"{self.contender.name}: load client and upstream used {load:.0%} of their core"
            )
        return found


def measure(
    contenders: Sequence[Contender],
    upstream: Upstream,
    files: OrderFiles,
    cores: Cores,
    options: RoundOptions,
    progress: Progress,
) -> list[Standing]:
    """Start every contender, run all rounds, end every process.

    Raises:
        BenchError: a call failed or an answer was wrong.
        StartError: a contender did not come up.
    """
    with ExitStack() as stack:
        inherited = os.environ.get("PYTHONPATH")
        folders = (str(files.folder), *([inherited] if inherited else []))
        environ = {"PYTHONPATH": os.pathsep.join(folders)}
        commands = [contender.command(upstream.url, files) for contender in contenders]
        processes = [
            stack.enter_context(
                running(
                    command,
                    core=cores.server,
                    back_to=cores.load,
                    folder=ROOT,
                    environ=environ,
                    keep_stdout=True,
                )
            )
            for command in commands
        ]
        servers = []
        for contender, command, process in zip(contenders, commands, processes, strict=True):
            try:
                address = address_of(process)
                wait_until_listening(address, process)
            except StartError as error:
                said = last_words(command, folder=ROOT, environ=environ)
                raise StartError(f"{contender.name}: {error}\n{said}") from None
            servers.append((Standing(contender), address, process.pid))
        for number in range(1, options.rounds + 1):
            for standing, address, pid in servers:
                name = standing.contender.name
                try:
                    target = Target(
                        address=address,
                        files=files,
                        answer_bytes=check_answer(address, files),
                        concurrency=options.concurrency,
                        connections=options.connections,
                    )
                    turn = _turn(target, (pid, upstream.pid), cores, options)
                except (AnswerError, LoadError, OSError) as error:
                    raise BenchError(f"{name}, round {number}: {error}") from error
                standing.turns.append(turn)
                progress(f"round {number}/{options.rounds}  {name:<19}{turn.calls_per_s:8,.0f}/s")
        return [standing for standing, _, _ in servers]


def _turn(target: Target, pids: tuple[int, int], cores: Cores, options: RoundOptions) -> Turn:
    server, upstream = pids
    with options.client.connected(target) as load:
        load(min(WARM_UP_S, options.seconds))
        core, server_s, upstream_s = core_busy_s(cores.server), cpu_s(server), cpu_s(upstream)
        own_s = _own_cpu_s()
        found = load(options.seconds)
        own_s = _own_cpu_s() - own_s
        core_used = _since(core, core_busy_s(cores.server))
        server_used = _since(server_s, cpu_s(server))
        upstream_used = _since(upstream_s, cpu_s(upstream))
    calls, elapsed_s = found.calls, found.elapsed_s
    others_s = None
    if core_used is not None and server_used is not None and cores.separate:
        others_s = max(0.0, core_used - server_used)
    load_s = None if upstream_used is None else own_s + upstream_used
    return Turn(
        calls_per_s=calls / elapsed_s,
        calls=calls,
        p50_ms=found.p50_s * 1000,
        p90_ms=found.p90_s * 1000,
        p99_ms=found.p99_s * 1000,
        max_ms=found.max_s * 1000,
        cpu_us_per_call=None if server_used is None else server_used / calls * 1e6,
        server_busy=None if server_used is None else server_used / elapsed_s,
        others_busy=None if others_s is None else others_s / elapsed_s,
        load_us_per_call=None if load_s is None else load_s / calls * 1e6,
        load_busy=None if load_s is None else load_s / elapsed_s,
    )


def _own_cpu_s() -> float:
    """Return the CPU time of this process and of those that it has waited for."""
    user, system, children_user, children_system, _ = os.times()
    return user + system + children_user + children_system


def _since(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
