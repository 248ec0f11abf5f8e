"""A file of SQLite, for the processes of one machine.

Rules:
1. One thread writes and two read, each with a connection of its own; nobody waits for a disk on
   the event loop.
2. Whatever waits to be written when the writer comes to it is one transaction, at most `BATCH`
   questions: one flush to the disk for all of them. Fails one of them, each is asked again
   alone, unless other processes held the file.
3. A transaction is BEGIN IMMEDIATE: whoever writes has the file from the beginning, and nobody
   finds in the middle that somebody else was faster. Other processes wait, `busy_s`.
4. Nothing is acknowledged that is not on the disk: WAL, synchronous=FULL.
5. A question that is cancelled before its turn is not asked. One that is being asked ends by
   itself, in its thread, with a commit or a rollback.
6. A connection that failed is made anew.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Generic, cast

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import OperationalError

from gateway.core.clock import Clock
from gateway.state.durable.link import FAULTS, Ask, T
from gateway.state.durable.migrating import is_current, migrate
from gateway.state.durable.moment import tell_time
from gateway.state.durable.url import SqliteUrl
from gateway.state.records import StoreUnavailable

BATCH: Final = 64
_READERS: Final = 2
_JOIN_S: Final = 5.0
_TRIES, _PAUSE_S = 100, 0.02


class _Job(Generic[T]):
    """One question, and who waits for it."""

    __slots__ = ("ask", "error", "future", "loop", "result")

    def __init__(self, ask: Ask[T]) -> None:
        self.ask = ask
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: BaseException | None = None

    def tell(self) -> None:
        """Hand over how it ended; on the event loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast("T", self.result))


_Jobs: Any = queue.SimpleQueue
"""Of jobs; None ends one thread that takes it."""


class _Thread:
    """Asks what comes by a queue, on a connection of its own."""

    def __init__(self, name: str, engine: Engine, jobs: Any) -> None:
        self._engine = engine
        self._jobs = jobs
        self._connection: Connection | None = None
        # A disk that hangs must not hold up the end of the process.
        self.thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        ends = False
        while not ends:
            taken = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while taken[-1] is not None and len(taken) < BATCH:
                    taken.append(self._jobs.get_nowait())
            if taken[-1] is None:
                ends = True
                taken.pop()
            batch = [job for job in taken if not job.future.cancelled()]
            if batch:
                self._ask(batch)
                _tell(batch)
        self._drop()

    def _ask(self, batch: Sequence[_Job[Any]]) -> None:
        """Ask all in one transaction, or each in one of its own."""
        try:
            self._together(batch)
        except Exception as error:
            if len(batch) == 1 or _is_busy(error):
                for job in batch:
                    job.error = error
                return
            for job in batch:
                self._ask((job,))

    def _together(self, batch: Sequence[_Job[Any]]) -> None:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            connection = self._connection
            with connection.begin():
                for job in batch:
                    job.result = job.ask(connection)
        except FAULTS:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*FAULTS):
                connection.close()


def _is_busy(error: Exception) -> bool:
    """Tell whether other processes held the file, so that no question was asked at all."""
    if not isinstance(error, OperationalError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return isinstance(code, int) and code & 0xFF == sqlite3.SQLITE_BUSY


def _tell(batch: Sequence[_Job[Any]]) -> None:
    def tell() -> None:
        for job in batch:
            job.tell()

    with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
        batch[0].loop.call_soon_threadsafe(tell)


class SqliteLink:
    """See the rules of the module.

    Args:
        url: of the file.
        clock: its wall time is the database's.
        busy_s: how long to wait for other processes.
    """

    def __init__(self, url: SqliteUrl, clock: Clock, busy_s: float) -> None:
        self._url = url
        self._writer = _engine(url.path, busy_s, "BEGIN IMMEDIATE", clock)
        self._reader = _engine(url.path, busy_s, "BEGIN", clock)
        self._writes: Any = _Jobs()
        self._reads: Any = _Jobs()
        self._threads: list[_Thread] = []

    async def open(self) -> None:
        """Make the file and its tables."""
        await asyncio.to_thread(self._prepare)
        if not self._threads:
            self._threads = [
                _Thread("durable-write", self._writer, self._writes),
                *(_Thread("durable-read", self._reader, self._reads) for _ in range(_READERS)),
            ]

    def _prepare(self) -> None:
        path = self._url.path
        if self._url.makes_folder:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise StoreUnavailable(_no_folder(path))
        # Answers of calls are in it: for this user only. SQLite gives its other files the same.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        _keep_log(path)
        with self._reader.connect() as connection, connection.begin():
            current = is_current(connection)
        if not current:
            with self._writer.connect() as connection, connection.begin():
                migrate(connection)

    async def run(self, ask: Ask[T], *, write: bool) -> T:
        """Return what `ask` returns, once it is on the disk; see `Link`."""
        job = _Job(ask)
        (self._writes if write else self._reads).put(job)
        return await job.future

    async def close(self) -> None:
        """Ask what waits, and end the threads."""
        threads, self._threads = self._threads, []
        for number in range(len(threads)):
            (self._reads if number else self._writes).put(None)
        for one in threads:
            await asyncio.to_thread(one.thread.join, _JOIN_S)
        self._writer.dispose()
        self._reader.dispose()


def _no_folder(path: Path) -> str:
    rooted = Path("/") / path
    hint = ""
    if not path.is_absolute() and rooted.parent.is_dir():
        hint = "; a path that begins at the root makes four slashes: sqlite:////PATH"
    return "the folder of its file is not there" + hint


def _keep_log(path: Path) -> None:
    """Turn the write-ahead log on; while processes start at once SQLite does not wait for it."""
    for number in range(_TRIES):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or number == _TRIES - 1:
                raise
            threading.Event().wait(_PAUSE_S)
        else:
            if mode != "wal":
                raise StoreUnavailable("its file system does not serve SQLite's write-ahead log")
            return
        finally:
            connection.close()


def _engine(path: Path, busy_s: float, begin: str, clock: Clock) -> Engine:
    def connect() -> sqlite3.Connection:
        # One thread makes and uses it, another may be the one that sees it collected.
        connection = sqlite3.connect(
            path, timeout=busy_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        tell_time(connection, clock.wall)
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
