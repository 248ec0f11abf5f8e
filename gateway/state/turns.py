"""Turns that several processes share: one call at a time for a key, in the order of arrival.

Rules:
1. Whoever comes draws a ticket of the store; the lowest live ticket of a key has the turn. Numbers
   of one key are drawn one after the other, so that no lower one turns up later.
2. Of those that wait in this process the one with the lowest number looks, with growing pauses, a
   little at random; the others wait for it. Whoever leaves makes the next one look at once.
3. Tickets have a lease, renewed each third of it for all that this process holds. Those of a
   process that died run out, and the next one goes on. A process that stalls for longer than its
   lease may find, when it goes on, that somebody else has the turn too: what must not overlap by
   any means needs a lock of its own where it is done.
4. A ticket is given back when the call ends, and when its waiting is cancelled, also where nobody
   knows whether it was drawn: by a task of its own, `TRIES` times; then it runs out.
5. At most `max_queued` wait for one key, in all processes, and at most `max_keys` keys are held
   here.
6. Without the store nobody has a turn: `StoreUnavailable`.
"""

import asyncio
import heapq
import secrets
from contextlib import suppress
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.state.records import StoreUnavailable

TRIES: Final = 6
_LEASE_S: Final = 10.0
_FIRST_LOOK_S: Final = 0.010
_LAST_LOOK_S: Final = 0.250
_GROWTH: Final = 1.5
_PAUSE_S: Final = 0.25


class TicketStore(Protocol):
    """Keeps tickets. Every method may raise StoreUnavailable."""

    async def draw(self, key: bytes, token: int, *, limit: int, lease_s: float) -> int | None:
        """Return the number of a new ticket; None where `limit` of the key are out already.

        Args:
            key: digest.
            token: of the ticket; drawn again with it, it is the same ticket.
            limit: tickets of the key, that of the turn included.
            lease_s: of the ticket.
        """

    async def first(self, key: bytes) -> int | None:
        """Return the lowest live ticket of a key."""

    async def renew(self, tokens: list[int], *, lease_s: float) -> None:
        """Prolong the leases of tickets that are live or not."""

    async def leave(self, token: int) -> None:
        """Give a ticket back."""


class _Ticket(NamedTuple):
    """A ticket of this process."""

    number: int
    token: int
    woken: asyncio.Event


class StoredTurns:
    """Turns of one thing that is serialized; see the rules of the module.

    Args:
        name: of it.
        store: keeps tickets.
        clock: for leases and pauses.
        rng: spreads looks.
        max_queued: calls that wait for one key.
        max_keys: keys that are held in this process.
    """

    def __init__(
        self,
        name: str,
        store: TicketStore,
        clock: Clock,
        rng: Rng,
        *,
        max_queued: int,
        max_keys: int,
    ) -> None:
        self._seed = f"{name}\0".encode()
        self._store = store
        self._clock = clock
        self._rng = rng
        self._max_queued = max_queued
        self._max_keys = max_keys
        self._lines: dict[str, list[_Ticket]] = {}
        self._turns: dict[str, _Ticket] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def keys(self) -> int:
        """Keys with tickets of this process."""
        return len(self._lines)

    async def take(self, key: str) -> str | None:
        """Return None once `key` is held, or at once why it cannot be waited for.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        if key not in self._lines and len(self._lines) >= self._max_keys:
            return f"calls of {len(self._lines)} other keys are under way"
        digest, token = sha256(self._seed + key.encode()).digest(), 1 + secrets.randbits(62)
        drawing = asyncio.ensure_future(
            self._store.draw(digest, token, limit=self._max_queued + 1, lease_s=_LEASE_S)
        )
        try:
            number = await asyncio.shield(drawing)
        except BaseException:
            self._leave(token, drawing=drawing)
            raise
        if number is None:
            return f"{self._max_queued} calls for the same key wait already"
        ticket = _Ticket(number, token, asyncio.Event())
        heapq.heappush(self._lines.setdefault(key, []), ticket)
        self._keep()
        try:
            await self._wait(key, digest, ticket)
        except BaseException:
            self._drop(key, ticket)
            raise
        self._turns[key] = ticket
        return None

    def give_back(self, key: str) -> None:
        """End a turn that `take` gave."""
        self._drop(key, self._turns.pop(key))

    async def settled(self) -> None:
        """Return when every ticket is given back, or left to its lease."""
        while self._leaving:
            await asyncio.wait(tuple(self._leaving))
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
            self._keeping = None

    async def _wait(self, key: str, digest: bytes, ticket: _Ticket) -> None:
        look_s = _FIRST_LOOK_S
        while True:
            ticket.woken.clear()
            if self._lines[key][0] is not ticket:
                await ticket.woken.wait()
                look_s = _FIRST_LOOK_S
                continue
            if await self._store.first(digest) == ticket.number:
                return
            until = self._clock.now() + look_s * (0.75 + self._rng.random() / 2)
            with suppress(Expired), Expiry(self._clock, until):
                await ticket.woken.wait()
            look_s = min(look_s * _GROWTH, _LAST_LOOK_S)

    def _drop(self, key: str, ticket: _Ticket) -> None:
        line = self._lines[key]
        line.remove(ticket)
        heapq.heapify(line)
        if not line:
            del self._lines[key]
        self._leave(ticket.token, key)

    def _leave(
        self, token: int, key: str = "", drawing: "asyncio.Future[int | None] | None" = None
    ) -> None:
        task = asyncio.get_running_loop().create_task(self._give(token, key, drawing), name="turn")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _give(
        self, token: int, key: str, drawing: "asyncio.Future[int | None] | None"
    ) -> None:
        if drawing is not None:
            await asyncio.wait((drawing,))
            if drawing.exception() is not None:  # nobody knows; it may be drawn still
                await self._clock.sleep(_PAUSE_S)
        for number in range(TRIES):
            try:
                await self._store.leave(token)
            except StoreUnavailable as error:
                await self._clock.sleep(max(error.retry_after_s, _PAUSE_S * 2.0**number))
            else:
                break
        if line := self._lines.get(key):
            line[0].woken.set()

    def _keep(self) -> None:
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._renew(), name="turns")

    async def _renew(self) -> None:
        try:
            while self._lines:
                await self._clock.sleep(_LEASE_S / 3)
                tokens = [ticket.token for line in self._lines.values() for ticket in line]
                if tokens:
                    with suppress(StoreUnavailable):
                        await self._store.renew(tokens, lease_s=_LEASE_S)
        finally:
            self._keeping = None
