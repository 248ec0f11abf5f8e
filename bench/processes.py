"""Processes on chosen cores, and what they cost. Must not know what they serve.

Where the system has no affinity or no /proc (anything but Linux), processes float
and their cost is None.
"""

import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class StartError(Exception):
    """A process did not come up; says which and how to see why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where; None where cores cannot be chosen.

    Attributes:
        server: for the contenders alone.
        load: for the load client and the upstream.
    """

    server: int | None
    load: int | None

    @property
    def separate(self) -> bool:
        """Whether the server has a core of its own."""
        return self.server != self.load


def choose_cores() -> Cores:
    """Return the last core for the server and the first for everything else."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[-1], load=allowed[0])


def pin(core: int | None) -> None:
    """Keep this thread, and what it starts from now on, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextmanager
def _pinned(core: int | None, back_to: int | None) -> Iterator[None]:
    # What is started inherits the core from its first instruction, its threads included.
    pin(core)
    try:
        yield
    finally:
        pin(back_to)


@contextmanager
def running(
    command: Sequence[str],
    *,
    core: int | None,
    back_to: int | None,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    keep_stdout: bool = False,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process for the length of the block; it is gone afterwards, whatever happens.

    Its standard error goes to /dev/null.

    Args:
        command: what to run.
        core: for it.
        back_to: this thread's own core.
        folder: its working folder.
        environ: added to the environment.
        keep_stdout: keep its standard output for `address_of`.
    """
    with _pinned(core, back_to):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if keep_stdout else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | dict(environ or {}),
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def address_of(process: "subprocess.Popen[bytes]", timeout_s: float = 30.0) -> str:
    """Return the address that a gRPC server tells on its standard output.

    Raises:
        StartError: it ended, or said nothing in time.
    """
    assert process.stdout is not None
    output = b""
    until = time.monotonic() + timeout_s
    while (left_s := until - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left_s)[0]:
            break
        part = os.read(process.stdout.fileno(), 4096)
        if not part:
            raise StartError("it ended before it served")
        output += part
        if match := re.search(rb"gRPC on (\S+)\s", output):
            return match[1].decode()
    raise StartError(f"it did not serve within {timeout_s:g} s")


def wait_until_listening(
    address: str, process: "subprocess.Popen[bytes]", timeout_s: float = 30.0
) -> None:
    """Return once `address` takes connections, for servers that tell it before they do.

    Raises:
        StartError: the process ended, or took none in time.
    """
    host, _, port = address.rpartition(":")
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout_s).close()
        except OSError:
            if process.poll() is not None:
                raise StartError("it ended before it served") from None
            time.sleep(0.02)
        else:
            return
    raise StartError(f"it did not listen on {address} within {timeout_s:g} s")


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def last_words(command: Sequence[str], *, folder: Path, environ: Mapping[str, str]) -> str:
    """Return what a command that does not come up says, by running it once more."""
    try:
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=folder,
            env=os.environ | dict(environ),
            timeout=10.0,
            check=False,
        ).stderr
    except subprocess.TimeoutExpired as error:
        said = error.stderr or b""
    return said.decode(errors="replace").strip()[-2000:]


def cpu_s(pid: int) -> float | None:
    """Return the CPU time that a process has used, all threads, user and system."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name may hold anything, spaces too
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def core_busy_s(core: int | None) -> float | None:
    """Return how long a core has not been idle, whoever used it."""
    if core is None:
        return None
    try:
        text = Path("/proc/stat").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        name, _, numbers = line.partition(" ")
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, numbers.split()[:8])
            return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S
    return None
