"""The durable store as the gateway asks it.

Rules:
1. It is opened by the first question, or by `open`; once at a time, whoever waits. What opens
   it goes on when who asked has left. Tables are brought up to date then (`migrating.py`).
2. A question has `timeout_s`, with opening and waiting for a connection. It runs in a task of
   its own: a caller that is cancelled leaves, and the question ends by itself, within its time.
3. Failures open a breaker (state/breaker.py). While it is open nothing is asked, and every
   question fails at once; then one is asked, to see.
4. More than `max_waiting` questions at once are refused.
5. Every failure of the store is `StoreUnavailable`, and nothing else is: what was asked may or
   may not have been done. A fault of who asks is raised as it is.
6. `StoreChanged` is told once the breaker opens, and once the store is asked again.
"""

import asyncio
import enum
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.events import Events, StoreChanged
from gateway.state.breaker import State, StoreBreaker, StoreBreakerOptions
from gateway.state.durable.link import FAULTS, Ask, Link, T, is_of_question, phrase, sqlstate
from gateway.state.durable.postgres import PostgresLink
from gateway.state.durable.sqlite import SqliteLink
from gateway.state.durable.url import DurableUrl, SqliteUrl
from gateway.state.records import NotAsked, StoreUnavailable

_log = logging.getLogger(__name__)
_LATE: Final = "it does not answer in time"
_CLOSED: Final = "it is closed"
_CANCELED: Final = "57014"
"""query_canceled: of PostgreSQL, by its statement_timeout."""


class _Progress(enum.Enum):
    """How far a question has come."""

    OPENING = enum.auto()
    ASKED = enum.auto()
    BEGUN = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class DurableOptions:
    """See seawall.config.v1.State. Seconds.

    Args:
        timeout_s: for one question.
        connections: to PostgreSQL, at most.
        max_waiting: questions under way at one time.
        breaker: when the store is left alone.
    """

    timeout_s: float = 2.0
    connections: int = 8
    max_waiting: int = 10_000
    breaker: StoreBreakerOptions = field(default_factory=StoreBreakerOptions)


class Durable:
    """See the rules of the module.

    Args:
        url: where it is.
        clock: for timeouts; its wall time is SQLite's.
        events: are told of changes.
        options: see above.
    """

    def __init__(
        self,
        url: DurableUrl,
        clock: Clock,
        events: Events,
        options: DurableOptions | None = None,
    ) -> None:
        self._options = options or DurableOptions()
        self._clock = clock
        self._events = events
        self._breaker = StoreBreaker(self._options.breaker)
        self._link = link_of(url, clock, self._options)
        self._opening: asyncio.Task[None] | None = None
        self._is_open = False
        self._is_closed = False
        self._asking: set[asyncio.Task[Any]] = set()
        self.shown = url.shown

    @property
    def available(self) -> bool:
        """Whether it is asked."""
        return self._breaker.state is State.CLOSED and not self._is_closed

    @property
    def asking(self) -> int:
        """Questions under way."""
        return len(self._asking)

    async def open(self) -> None:
        """Return when it is open; it has as long as that takes.

        Raises:
            StoreUnavailable: it cannot be opened.
        """
        try:
            await self._opened()
        except StoreUnavailable as unavailable:
            raise self._unavailable(unavailable.why) from None
        except FAULTS as error:
            raise self._unavailable(phrase(error)) from None

    async def read(self, ask: Ask[T]) -> T:
        """Return what a question that changes nothing finds.

        Raises:
            StoreUnavailable: it does not answer.
            NotAsked: it is left alone.
        """
        return await self._begin(ask, write=False)

    async def write(self, ask: Ask[T]) -> T:
        """Return what a question says, once all that it changed is kept.

        Raises:
            StoreUnavailable: it does not answer; the change may be kept all the same.
            NotAsked: it is left alone, and nothing is changed.
        """
        return await self._begin(ask, write=True)

    async def close(self) -> None:
        """End what is being asked, within its time, and give back all that is held."""
        self._is_closed = True
        while self._asking:
            await asyncio.wait(tuple(self._asking))
        if self._opening is not None:
            with (
                suppress(Expired),
                Expiry(self._clock, self._clock.now() + self._options.timeout_s),
            ):
                await asyncio.wait((self._opening,))
        await self._link.close()

    async def _begin(self, ask: Ask[T], *, write: bool) -> T:
        if self._is_closed:
            raise self._not_asked(_CLOSED)
        if len(self._asking) >= self._options.max_waiting:
            raise self._not_asked(f"{len(self._asking)} questions wait for it already")
        question = self._breaker.ask(self._clock.now())
        if question is None:
            raise self._not_asked("it failed several times, and is left alone for now")
        task = asyncio.get_running_loop().create_task(self._ask(ask, question, write=write))
        self._asking.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # told to who asked, if that one is still there

    async def _ask(self, ask: Ask[T], question: int, *, write: bool) -> T:
        at = _Progress.OPENING

        def noted(connection: Connection) -> T:
            nonlocal at
            at = _Progress.BEGUN
            return ask(connection)

        try:
            with Expiry(self._clock, self._clock.now() + self._options.timeout_s):
                if not self._is_open:
                    await self._opened()
                at = _Progress.ASKED
                found = await self._link.run(noted, write=write)
        except Expired:
            # What was asked and did not begin may begin still.
            raise self._failed(question, _LATE, asked=at is not _Progress.OPENING) from None
        except StoreUnavailable as unavailable:
            raise self._failed(question, unavailable.why, asked=False) from None
        except FAULTS as error:
            if is_of_question(error):
                # Else who asks such a thing often takes the store from everybody.
                _log.exception("the durable store was asked what it cannot take")
                self._breaker.abandoned(question, self._clock.now())
                raise self._unavailable("it does not take what it was asked") from None
            if not write and sqlstate(error) == _CANCELED:
                # It lives, and ended a question that finds little among much.
                self._breaker.abandoned(question, self._clock.now())
                raise self._unavailable(phrase(error)) from None
            _log.debug("the durable store failed", exc_info=True)
            begun = at is _Progress.BEGUN
            raise self._failed(question, phrase(error), asked=begun) from None
        except BaseException:
            self._breaker.abandoned(question, self._clock.now())
            raise
        if self._breaker.succeeded(question):
            self._events.emit(StoreChanged("durable", True, "it answers"))
        return found

    async def _opened(self) -> None:
        if self._is_open:
            return
        if self._is_closed:
            raise StoreUnavailable(_CLOSED)
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="durable")
            self._opening.add_done_callback(self._over)
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        try:
            await self._link.open()
            self._is_open = True
            if self._is_closed:
                await self._link.close()
        finally:
            self._opening = None

    def _failed(self, question: int, why: str, *, asked: bool) -> StoreUnavailable:
        if self._breaker.failed(question, self._clock.now()):
            self._events.emit(StoreChanged("durable", False, why))
        return self._unavailable(why) if asked else self._not_asked(why)

    def _not_asked(self, why: str) -> NotAsked:
        return NotAsked(why, self._breaker.retry_after_s(self._clock.now()))

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(why, self._breaker.retry_after_s(self._clock.now()))


def link_of(url: DurableUrl, clock: Clock, options: DurableOptions) -> Link:
    """Return what a store is asked through."""
    if isinstance(url, SqliteUrl):
        return SqliteLink(url, clock, options.timeout_s)
    return PostgresLink(url, options.timeout_s, options.connections)
