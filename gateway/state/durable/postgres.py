"""A database of a PostgreSQL server.

Rules:
1. At most `connections` at once, made when they are needed; questions beyond wait for one.
2. A connection that the server has closed is seen before it is used, without asking. One that
   breaks while it is asked is thrown away, and the question is asked once more, on a new one:
   what was asked may have been done, and done twice it means the same.
3. When one breaks, or does not answer in time, all that were idle are thought to be as dead: they
   are closed when somebody would take them. So a server that comes back is asked on new ones,
   and no question waits for more than its own.
4. A question that is cancelled closes its connection at once, in its middle: the server rolls
   back, and nobody is handed what is left of it. The server itself ends statements, and waits
   for locks, a little before `timeout_s`: whatever a gateway that died had begun is over by
   then, and what is merely slow costs no connection.
5. Transactions are READ COMMITTED, whatever is usual there: who waits for a lock then sees what
   was done under it. What the server rolled back because two waited for each other is asked
   again, at most three times.
"""

import asyncio
import contextlib
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.state.durable.link import FAULTS, Ask, T, sqlstate
from gateway.state.durable.migrating import is_current, migrate
from gateway.state.durable.url import PostgresUrl

_CROSSED: Final = ("40001", "40P01")
"""serialization_failure, deadlock_detected: nothing was done, and it may be asked again."""
_CROSSED_TRIES: Final = 4
_MIGRATION_S: Final = 60.0
_SERVER_SHARE: Final = 0.8
"""Of the timeout: a server that lives ends a slow statement itself, and keeps the connection."""


class _Lost(Exception):
    """The connection broke while it was asked; the cause says how."""


class _Crossed(_Lost):
    """The server rolled back what waited for each other, or for what has changed meanwhile."""


class _ClosingLoop(asyncio.SelectorEventLoop):
    """An event loop that ends no later than its work, and leaves no socket open.

    A TLS connection that a server has refused waits for that server's last word when it is
    closed: longer than the loop lives that tables are made on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: list[asyncio.BaseTransport] = []

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, and remember it."""
        made = await super().create_connection(*args, **kwargs)
        self._made.append(made[0])
        return made

    async def shutdown_asyncgens(self) -> None:
        """Let nothing be open: a runner calls it when all work is done."""
        for transport in self._made:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        await super().shutdown_asyncgens()


class _Held:
    """One connection. `raw` is the driver's own, which can be closed without waiting."""

    __slots__ = ("connection", "generation", "raw")

    def __init__(self, connection: AsyncConnection, raw: Any, generation: int) -> None:
        self.connection = connection
        self.raw = raw
        self.generation = generation


class PostgresLink:
    """See the rules of the module.

    Args:
        url: of the database.
        timeout_s: for one question.
        connections: the most at one time.
    """

    def __init__(self, url: PostgresUrl, timeout_s: float, connections: int) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._engine = self._engine_with(timeout_s * _SERVER_SHARE, None)
        self._places = asyncio.Semaphore(connections)
        self._idle: list[_Held] = []
        self._generation = 0
        self._ending: set[asyncio.Future[Any]] = set()

    def _engine_with(self, statement_s: float, command_s: float | None) -> Any:
        milliseconds = str(max(1, int(statement_s * 1000)))
        url, connect_s = self._url, self._timeout_s

        async def connect(*_: Any, **__: Any) -> Any:
            return await asyncpg.connect(
                url.dsn,
                user=url.username or None,
                password=url.password or None,
                timeout=connect_s,
                command_timeout=command_s,
                target_session_attrs="read-write" if len(url.endpoints) > 1 else None,
                server_settings={
                    "application_name": "seawall",
                    "default_transaction_isolation": "read committed",
                    "statement_timeout": milliseconds,
                    "lock_timeout": milliseconds,
                    "idle_in_transaction_session_timeout": milliseconds,
                },
            )

        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            poolclass=NullPool,
            hide_parameters=True,
        )

    async def open(self) -> None:
        """Make the tables."""
        await asyncio.to_thread(self._prepare_apart)

    def _prepare_apart(self) -> None:
        with asyncio.Runner(loop_factory=_ClosingLoop) as runner:
            runner.run(self._prepare())

    async def _prepare(self) -> None:
        engine = self._engine_with(_MIGRATION_S, _MIGRATION_S)
        try:
            async with engine.begin() as connection:
                current = await connection.run_sync(is_current)
            if not current:
                async with engine.begin() as connection:
                    await connection.run_sync(migrate)
        finally:
            await engine.dispose()

    async def run(self, ask: Ask[T], *, write: bool) -> T:
        """Return what `ask` returns, once it is committed; see `Link`."""
        async with self._places:
            tries = 1
            while True:
                try:
                    return await self._once(ask)
                except _Lost as lost:
                    if tries >= (_CROSSED_TRIES if isinstance(lost, _Crossed) else 2):
                        raise lost.__cause__ or lost from None
                tries += 1

    async def _once(self, ask: Ask[T]) -> T:
        held = self._take() or await self._connect()
        task = asyncio.get_running_loop().create_task(_transact(held.connection, ask))
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            self._generation += 1
            self._drop(held, task)
            raise
        if held.raw.is_closed() or held.connection.invalidated:
            self._generation += 1
            self._drop(held)
            error = task.exception()
            if isinstance(error, FAULTS):
                raise _Lost from error
        else:
            self._idle.append(held)
            error = task.exception()
            if error is not None and sqlstate(error) in _CROSSED:
                raise _Crossed from error
        return task.result()

    def _take(self) -> _Held | None:
        while self._idle:
            held = self._idle.pop()
            if held.generation == self._generation and not held.raw.is_closed():
                return held
            self._drop(held)
        return None

    async def _connect(self) -> _Held:
        generation = self._generation
        connection = self._engine.connect()
        try:
            await connection.start()
            pooled = await connection.get_raw_connection()
        except BaseException:
            await connection.close()
            raise
        return _Held(connection, pooled.driver_connection, generation)

    def _drop(self, held: _Held, user: "asyncio.Task[Any] | None" = None) -> None:
        held.raw.terminate()
        self._ended(asyncio.get_running_loop().create_task(_discard(held.connection, user)))

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        """Keep what ends by itself until it has."""
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Close all connections."""
        self._generation += 1
        self._take()
        while self._ending:
            await asyncio.wait(tuple(self._ending))
        await self._engine.dispose()


async def _transact(connection: AsyncConnection, ask: Ask[T]) -> T:
    async with connection.begin():
        return await connection.run_sync(ask)


async def _discard(connection: AsyncConnection, user: "asyncio.Task[Any] | None") -> None:
    """Close what is dead already, once its question knows."""
    if user is not None:
        await asyncio.wait((user,))
        if not user.cancelled():
            user.exception()  # nobody misses what it says
    with contextlib.suppress(*FAULTS):
        await connection.invalidate()
    with contextlib.suppress(*FAULTS):
        await connection.close()
