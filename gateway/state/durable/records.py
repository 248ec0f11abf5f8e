"""Records in the durable store: `gateway.state.records` says what they are.

Rules, besides those:
1. A claim is one statement that inserts the record, or does nothing; only who finds one looks at
   it, and holds it while it does. A claim and its end are two writes.
2. Tokens are random, and compared: a record that was forgotten and claimed anew is not taken
   for the one before, and a claim asked for twice knows itself again.
3. Every change is one statement that names the states it leads from, as `TRANSITIONS` has them,
   and the token. One that changed nothing looks whether it holds already.
4. A claim whose caller left meanwhile, or whose answer was lost, is taken back (`owed.py`).
5. What is past its retention is absent to everybody, whether it is deleted yet or not.
"""

import asyncio
import secrets
from math import isfinite
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, or_, select, tuple_

from gateway.core.clock import Clock
from gateway.state.durable.link import Ask
from gateway.state.durable.moment import NOW
from gateway.state.durable.owed import Owed
from gateway.state.durable.record_asks import any_of, claim, is_over, moved, record
from gateway.state.durable.record_statements import (
    COMPLETE,
    DELETE,
    EXPIRED,
    FORGET,
    GIVE_UP,
    LOOK,
    RECLAIM,
    RENEW,
    RESOLVE_DONE,
    RESOLVE_FORGOTTEN,
    RUNS,
)
from gateway.state.durable.schema.records import OPEN_RECORDS
from gateway.state.durable.schema.records import records as _r
from gateway.state.durable.store import Durable
from gateway.state.records import KeptRecord, NotAsked, Page, Record, State, StoreUnavailable

T = TypeVar("T")
_TOKEN_BITS: Final = 62


class DurableRecords:
    """A `RecordStore`, and a `RecordAdmin`.

    Args:
        durable: where they are kept.
        clock: for what is tried again.
    """

    def __init__(self, durable: Durable, clock: Clock) -> None:
        self._durable = durable
        self._clock = clock
        self._owed = Owed(self.forget, clock)
        self._left: set[asyncio.Task[Any]] = set()

    @property
    def owed(self) -> int:
        """Claims to be taken back."""
        return len(self._owed)

    async def claim(
        self,
        key: bytes,
        token: int,
        method: str,
        fingerprint: bytes,
        *,
        lease_s: float,
        retention_s: float,
    ) -> Record:
        """Claim a key, or return how it stands; see `RecordStore`."""
        values = {
            "b_digest": key,
            "b_method": method,
            "b_fingerprint": fingerprint,
            "b_token": token,
            "b_lease_s": lease_s,
            "b_kept_s": max(retention_s, lease_s),
        }
        return await self._claiming(key, token, lambda connection: claim(connection, values))

    async def look(self, key: bytes) -> Record | None:
        """Return how a key stands; see `RecordStore`."""

        def ask(connection: Connection) -> Record | None:
            row = connection.execute(LOOK, {"b_digest": key}).first()
            return None if row is None or is_over(row) else record(row)

        return await self._durable.read(ask)

    async def renew(self, key: bytes, token: int, *, lease_s: float) -> bool:
        """Prolong a lease; see `RecordStore`."""
        values = {"b_digest": key, "b_token": token, "b_lease_s": lease_s}
        return await self._durable.write(
            lambda connection: connection.execute(RENEW, values).rowcount == 1
        )

    async def complete(self, key: bytes, token: int, answer: bytes) -> bool:
        """Keep the answer; see `RecordStore`."""
        values = {"b_digest": key, "b_token": token, "b_answer": answer}
        return await self._durable.write(
            lambda connection: moved(connection, COMPLETE, values, token, State.DONE)
        )

    async def forget(self, key: bytes, token: int) -> bool:
        """Take a claim back; see `RecordStore`. One of what was UNKNOWN is UNKNOWN again."""
        values = {"b_digest": key, "b_token": token}

        def ask(connection: Connection) -> bool:
            return moved(connection, FORGET, values, token, State.UNKNOWN, absent=True)

        return await self._durable.write(ask)

    async def give_up(self, key: bytes, token: int) -> bool:
        """Say that nobody knows what happened; see `RecordStore`."""
        values = {"b_digest": key, "b_token": token}
        return await self._durable.write(
            lambda connection: moved(connection, GIVE_UP, values, token, State.UNKNOWN)
        )

    async def reclaim(self, key: bytes, token: int, another: int, *, lease_s: float) -> bool:
        """Claim what is UNKNOWN with `token` by `another`; see `RecordStore`."""
        values = {"b_digest": key, "b_token": token, "b_next": another, "b_lease_s": lease_s}

        def ask(connection: Connection) -> bool:
            return moved(connection, RECLAIM, values, another, State.RECLAIMED)

        return await self._claiming(key, another, ask)

    async def find(
        self, *, method: str = "", claimed: bool = False, after: str = "", limit: int = 100
    ) -> Page:
        """Return records that are UNKNOWN; see `RecordAdmin`."""
        statement = (
            select(
                _r.c.digest,
                _r.c.method,
                _r.c.state,
                _r.c.claims,
                _r.c.changed_at,
                RUNS.label("runs"),
                (NOW - _r.c.began_at).label("began_s"),
                (NOW - _r.c.changed_at).label("changed_s"),
                (_r.c.expires_at - NOW).label("left_s"),
            )
            .where(OPEN_RECORDS)
            .order_by(_r.c.changed_at, _r.c.digest)
            .limit(limit)
        )
        kept = _r.c.expires_at > NOW
        statement = statement.where(or_(kept, RUNS) if claimed else kept & ~RUNS)
        if method:
            statement = statement.where(_r.c.method == method)
        if after:
            statement = statement.where(
                tuple_(_r.c.changed_at, _r.c.digest) > tuple_(*_place(after))
            )
        rows = await self._durable.read(lambda connection: connection.execute(statement).all())
        found = tuple(
            KeptRecord(
                row.digest,
                row.method,
                State(row.state) if row.runs else State.UNKNOWN,
                row.claims,
                max(0.0, row.began_s),
                max(0.0, row.changed_s),
                row.left_s,
            )
            for row in rows
        )
        more = len(rows) == limit
        return Page(found, f"{rows[-1].changed_at!r}:{rows[-1].digest.hex()}" if more else "")

    async def method_of(self, key: bytes) -> str | None:
        """Return the method of a record; see `RecordAdmin`."""
        statement = select(_r.c.method).where(_r.c.digest == key)
        found: str | None = await self._durable.read(
            lambda connection: connection.execute(statement).scalar_one_or_none()
        )
        return found

    async def resolve(self, key: bytes, answer: bytes | None) -> bool:
        """Say what became of a call that is UNKNOWN; see `RecordAdmin`."""
        # Whoever comes later with the old token changes nothing.
        new = 1 + secrets.randbits(_TOKEN_BITS)
        values: dict[str, Any] = {"b_digest": key}
        if answer is None:
            return await self._durable.write(
                lambda connection: any_of(connection, RESOLVE_FORGOTTEN, values)
            )
        values |= {"b_next": new, "b_answer": answer}
        return await self._durable.write(
            lambda connection: moved(connection, RESOLVE_DONE, values, new, State.DONE)
        )

    async def sweep(self, limit: int = 500) -> int:
        """Delete up to `limit` records whose retention is over; see `RecordAdmin`."""

        def ask(connection: Connection) -> int:
            digests = connection.execute(EXPIRED, {"b_limit": limit}).scalars().all()
            if digests:
                connection.execute(DELETE, {"b_digests": digests})
            return len(digests)

        return await self._durable.write(ask)

    async def close(self) -> None:
        """Wait for claims that callers left, and try once to take back what is owed."""
        while self._left:
            await asyncio.wait(tuple(self._left))
        await self._owed.close()

    async def _claiming(self, key: bytes, token: int, ask: Ask[T]) -> T:
        task = asyncio.get_running_loop().create_task(self._durable.write(ask))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._leave(task, key, token)
            raise
        except NotAsked:
            raise
        except StoreUnavailable:
            self._owed.add(key, token, lost=True)
            raise

    def _leave(self, task: "asyncio.Task[Any]", key: bytes, token: int) -> None:
        """Take a claim back once it is known what became of it."""

        def over(task: "asyncio.Task[Any]") -> None:
            self._left.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            if error is None or isinstance(error, StoreUnavailable):
                self._owed.add(key, token, lost=error is not None)

        self._left.add(task)
        task.add_done_callback(over)


def _place(after: str) -> tuple[float, bytes]:
    changed_at, _, digest = after.partition(":")
    try:
        place = float(changed_at), bytes.fromhex(digest)
    except ValueError:
        place = 0.0, b""
    if not (isfinite(place[0]) and place[1]):
        raise ValueError("no page of records ends there")
    return place
