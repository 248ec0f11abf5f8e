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
5. `close` closes every connection and fails every call, waiting or under way. `retire`
   ends the keeping alone: what is unused is closed, what is used goes on to its end.
"""

import asyncio
from collections import deque

from gateway.core.clock import Clock, Rng, Timer
from gateway.core.errors import Sent
from gateway.downstream import errors
from gateway.downstream.connection import Connection
from gateway.downstream.dial import Dialer
from gateway.downstream.options import ClientOptions

_AGE_JITTER = 0.1
_Turn = asyncio.Future[Connection | None]
"""Of a call that waits: the connection that it is handed, or None for a place."""


class Pool:
    """The places of one endpoint.

    Args:
        options: sizes and times.
        clock: for ages.
        rng: shortens ages.
        dialer: makes connections; one of `options` where there is none.
    """

    def __init__(
        self, options: ClientOptions, clock: Clock, rng: Rng, dialer: Dialer | None = None
    ) -> None:
        self.name = options.name
        self._options = options
        self._clock = clock
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._dialer = dialer or Dialer(options, clock)
        self._open = 0
        self._all: set[Connection] = set()
        self._free: list[Connection] = []  # used last at the end, so unused longest first
        self._waiting: deque[_Turn] = deque()
        self._waiting_for_place: deque[_Turn] = deque()
        self._sweep: Timer | None = None
        self._sweep_at = float("inf")
        self._lost_at = float("-inf")
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

        Raises:
            CallError: NOT_SENT.
        """
        first = fresh
        while True:
            if self._closed:
                raise errors.closed(self.name, Sent.NOT_SENT)
            if self._open < self._options.max_connections and (first or not self._waiting):
                self._open += 1
                return await self._make()
            if fresh and self._free:
                self._free[0].abort()  # its place comes back
            connection = await self._turn(first, fresh)
            if connection is None:
                return await self._make()
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
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.done() and turn.exception() is None:
                connection = turn.result()
                if connection is None:
                    self._give_back_place()
                elif not connection.over:
                    self.released(connection)
            elif turn in queue:
                queue.remove(turn)
            raise

    async def _make(self) -> Connection:
        """Make a connection in a place that is held."""
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
        connection = await self.wait(fresh=True)
        connection.exchanges += 1  # if it is closed before its first call, it is a stale one
        self.released(connection)

    @property
    def full(self) -> bool:
        """Whether a call that comes now would have to wait."""
        return not self._free and self._open >= self._options.max_connections

    def connected_since(self, at: float) -> bool:
        """Tell whether there was a connection at any time since `at`, in monotonic seconds."""
        return bool(self._all) or self._lost_at >= at

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
        self._lost_at = self._clock.now()
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
        for connection in list(self._all):
            connection.abort(errors.closed(self.name, Sent.UNKNOWN))
        if self._all:
            self._emptied = self._loop.create_future()
            await self._emptied
