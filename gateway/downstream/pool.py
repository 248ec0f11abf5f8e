"""The connections to one endpoint of an upstream: at most so many, and who gets which.

Rules:
1. A connection and one that is being made each hold a place; there are
   `max_connections` places. A place is given back when the socket is closed, not
   before.
2. A call takes the connection that was used last; else it makes one in a free place;
   else it waits, and calls are served in the order they came.
3. A waiting call is handed a connection that became free, or a place. If it has been
   cancelled meanwhile, the next one gets what it was handed.
4. A connection is closed once unused for `idle_timeout_s`, and instead of being used
   again at its age, `max_age_s` shortened at random by up to a tenth.
5. A call that goes while its connection is being made leaves it in the making: within
   `connect_timeout_s` it comes about or fails, whatever time the call had. The next call
   that would make one takes it over; if it comes about first, it is kept for the next call.
   So does Go's net/http. Made for one request only (`fresh`), it ends with it.
6. `told` is told of every connection that came about or failed. A failure is left out
   while others work: where no address was found, or none accepted, as long as one is
   open; where the time ran out, as long as something arrived on one meanwhile.
7. `close` closes every connection and fails every call, waiting or under way. `retire`
   ends the keeping alone: what is unused is closed, what is used goes on to its end.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.core.clock import Clock, Rng, Timer
from gateway.core.errors import CallError, Reason, Sent
from gateway.downstream import errors
from gateway.downstream.connection import Connection
from gateway.downstream.dial import Dialer
from gateway.downstream.options import ClientOptions

_AGE_JITTER = 0.1
_Turn = asyncio.Future[Connection | None]
"""Of a call that waits: the connection that it is handed, or None for a place."""
Told = Callable[[CallError | None, float], None]
"""Takes why a connection failed, None where it came about, and when it was begun."""


class _Making:
    """A connection in the making, in a place that is held, and the call that waits for it."""

    __slots__ = ("began_at", "heard", "task", "turn")

    def __init__(self, began_at: float, heard: int) -> None:
        self.began_at = began_at
        self.heard = heard
        self.turn: asyncio.Future[Connection] | None = None
        self.task: asyncio.Task[None] | None = None


class Pool:
    """The places of one endpoint.

    Args:
        options: sizes and times.
        clock: for ages.
        rng: shortens ages.
        dialer: makes connections; one of `options` where there is none.
        told: of connections that came about or failed; rule 6.
    """

    def __init__(
        self,
        options: ClientOptions,
        clock: Clock,
        rng: Rng,
        dialer: Dialer | None = None,
        told: Told | None = None,
    ) -> None:
        self.name = options.name
        self._options = options
        self._clock = clock
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._dialer = dialer or Dialer(options, clock)
        self._told = told
        self.heard = 0
        """Counts what arrived on any connection."""
        self._open = 0
        self._all: set[Connection] = set()
        self._free: list[Connection] = []  # used last at the end, so unused longest first
        self._waiting: deque[_Turn] = deque()
        self._waiting_for_place: deque[_Turn] = deque()
        self._making: set[_Making] = set()
        self._left: deque[_Making] = deque()  # of calls that have gone
        self._sweep: Timer | None = None
        self._sweep_at = float("inf")
        self._closed = self._retired = False
        self._emptied: asyncio.Future[None] | None = None

    def take(self, *, sure: bool) -> Connection | None:
        """Return a connection that is free now, if there is one.

        Args:
            sure: ask the kernel whether it has been closed meanwhile, for requests
                that are not sent again; that takes half a microsecond.
        """
        while self._free:
            connection = self._free.pop()
            if sure and connection.stirred:
                connection.abort()
            elif not connection.over:
                return connection
        return None

    async def wait(self, *, sure: bool = False, fresh: bool = False) -> Connection:
        """Return a connection as soon as there is one or a place to make it.

        Args:
            sure: as `take`.
            fresh: only one that is made for it; the call goes before those that wait.

        Cancelled, it tells what it waited for (`core.http.unsent`).

        Raises:
            CallError: NOT_SENT.
        """
        first = fresh
        while True:
            if self._closed:
                raise errors.closed(self.name, Sent.NOT_SENT)
            if first or not self._waiting:
                if self._left and not fresh:
                    return await self._made(self._left.popleft())
                if self._open < self._options.max_connections:
                    self._open += 1
                    return await self._made(self._make(), fresh=fresh)
            if fresh and self._free:
                self._free[0].abort()  # its place comes back
            connection = await self._turn(first, fresh)
            if connection is None:
                return await self._made(self._make(), fresh=fresh)
            if sure and not connection.over and connection.stirred:
                connection.abort()
            if not connection.over:
                return connection
            first = True  # it was lost on the way here

    async def _turn(self, first: bool, fresh: bool) -> Connection | None:
        turn: _Turn = self._loop.create_future()
        queue = self._waiting_for_place if fresh else self._waiting
        if first and not fresh:
            queue.appendleft(turn)
        else:
            queue.append(turn)
        try:
            return await turn
        except asyncio.CancelledError as cancelled:
            if not turn.cancelled() and turn.done() and turn.exception() is None:
                connection = turn.result()
                if connection is None:
                    self._give_back_place()
                elif not connection.over:
                    self.released(connection)
            elif turn in queue:
                queue.remove(turn)
            if self._all:
                most = self._options.max_connections
                cancelled.__cause__ = errors.no_place(self.name, most)
            else:  # what holds the places cannot connect
                cancelled.__cause__ = errors.slow_to_connect(self.name)
            raise

    def _make(self) -> _Making:
        """Begin to make a connection in a place that is held."""
        making = _Making(self._clock.now(), self.heard)
        self._making.add(making)
        making.task = task = self._loop.create_task(self._finish(making))
        task.add_done_callback(lambda _: self._unbegun(making))
        return making

    def _unbegun(self, making: _Making) -> None:
        """Account for one that was cancelled before its task ran at all."""
        if making in self._making:
            self._making.discard(making)
            self._give_back_place()
            if (turn := making.turn) is not None and not turn.done():
                turn.set_exception(errors.closed(self.name, Sent.NOT_SENT))

    async def _made(self, making: _Making, *, fresh: bool = False) -> Connection:
        """Return a connection in the making as soon as it is made, or raise why it failed."""
        turn: asyncio.Future[Connection] = self._loop.create_future()
        making.turn = turn
        try:
            connection = await turn
        except asyncio.CancelledError as cancelled:
            making.turn = None
            if not turn.cancelled() and turn.done():
                if turn.exception() is None and not turn.result().over:
                    self._keep_made(turn.result())
            elif making not in self._making:
                pass  # it ended just now, and its connection is kept already
            elif not fresh:
                self._left.append(making)
            elif making.task is not None:
                making.task.cancel()
            cancelled.__cause__ = errors.slow_to_connect(self.name)
            raise
        if connection.over:
            raise errors.turned_away(self.name)
        return connection

    async def _finish(self, making: _Making) -> None:
        """Make a connection and hand it to the call that waits for it, or to the next."""
        failure: BaseException | None = None
        try:
            connection = await self._connect()
        except asyncio.CancelledError:
            failure = errors.closed(self.name, Sent.NOT_SENT)
        except Exception as error:
            failure = error
        self._making.discard(making)
        if making in self._left:
            self._left.remove(making)
        turn = making.turn
        if turn is not None and turn.done():
            turn = None  # its call is being cancelled
        if self._told is not None:
            if failure is None:
                self._told(None, making.began_at)
            elif isinstance(failure, CallError) and self._matters(failure, making):
                self._told(failure, making.began_at)
        if failure is None:
            if turn is not None:
                turn.set_result(connection)
            else:
                self._keep_made(connection)
        elif turn is not None:
            turn.set_exception(failure)
        elif not isinstance(failure, CallError):
            raise failure  # nobody else would say so

    def _matters(self, failure: CallError, making: _Making) -> bool:
        """Tell whether a connection that failed says anything about the endpoint; rule 6."""
        if failure.reason is Reason.DRAINING:
            return False
        if all(connection.over for connection in self._all):
            return True
        late = self._clock.now() - making.began_at >= self._options.connect_timeout_s
        if late and failure.reason is Reason.UPSTREAM_UNREACHABLE:
            return self.heard == making.heard
        return False

    def _keep_made(self, connection: Connection) -> None:
        connection.exchanges += 1  # if it is closed before its first call, it is a stale one
        self.released(connection)

    async def _connect(self) -> Connection:
        made: list[Connection] = []

        def new() -> Connection:
            connection = Connection(self, self._loop, self._options.max_header_bytes)
            made.append(connection)
            return connection

        try:
            connection = await self._dialer.connect(new)
        except BaseException:
            if made and made[0].connected:
                made[0].abort()
                self.lost(made[0])  # uvloop says nothing of one whose making was cancelled
            else:
                self._give_back_place()
            raise
        age_s = self._options.max_age_s * (1 - _AGE_JITTER * self._rng.random())
        connection.expires_at = self._clock.now() + age_s
        if self._closed:
            connection.abort()
            raise errors.closed(self.name, Sent.NOT_SENT)
        if connection.over:
            raise errors.turned_away(self.name)
        return connection

    async def warm(self) -> None:
        """Make a connection for nothing else, and keep it for the next call.

        Raises:
            CallError: NOT_SENT.
        """
        self._keep_made(await self.wait(fresh=True))

    @property
    def full(self) -> bool:
        """Whether a call that comes now would have to wait."""
        return not self._free and self._open >= self._options.max_connections

    # What connections tell

    def connected(self, connection: Connection) -> None:
        """Let it hold the place that its maker held."""
        self._all.add(connection)

    def released(self, connection: Connection) -> None:
        """Hand a connection to the next call, or keep it."""
        now = self._clock.now()
        if self._closed or self._retired or now >= connection.expires_at or self._waiting_for_place:
            connection.abort()
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        connection.idle_since = now
        self._free.append(connection)
        if connection.expires_at < self._sweep_at:  # what others wait for is never later
            self._sweep_by(min(now + self._options.idle_timeout_s, connection.expires_at))

    def closing(self, connection: Connection) -> None:
        """Keep it no longer."""
        if not connection.busy and connection in self._free:
            self._free.remove(connection)

    def lost(self, connection: Connection) -> None:
        """Give its place back."""
        if connection not in self._all:
            return
        self._all.remove(connection)
        self._give_back_place()
        if not self._all and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _give_back_place(self) -> None:
        for queue in (self._waiting_for_place, self._waiting):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._open -= 1

    def _sweep_by(self, due: float) -> None:
        if due >= self._sweep_at:
            return
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep_at = due
        self._sweep = self._clock.call_at(due, self._close_unused)

    def _close_unused(self) -> None:
        self._sweep, self._sweep_at = None, float("inf")
        now = self._clock.now()
        idle_s = self._options.idle_timeout_s
        next_due = float("inf")
        for connection in list(self._free):
            due = min(connection.idle_since + idle_s, connection.expires_at)
            if due <= now:
                connection.abort()
            else:
                next_due = min(next_due, due)
        self._sweep_by(next_due)

    def retire(self) -> None:
        """Close what is unused, and keep nothing from now on."""
        self._retired = True
        for connection in list(self._free):
            connection.abort()

    async def close(self) -> None:
        """Close every connection, and fail every call."""
        self._closed = True
        self._dialer.close()
        if self._sweep is not None:
            self._sweep.cancel()
        for queue in (self._waiting_for_place, self._waiting):
            for turn in queue:
                if not turn.done():
                    turn.set_exception(errors.closed(self.name, Sent.NOT_SENT))
            queue.clear()
        making = [one.task for one in self._making if one.task is not None]
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        for connection in list(self._all):
            connection.abort(errors.closed(self.name, Sent.UNKNOWN))
        if self._all:
            self._emptied = self._loop.create_future()
            await self._emptied
