"""Tickets in the durable store: `gateway.state.turns` says what they are for.

Rules, besides those:
1. Tickets of one key are drawn one transaction after the other: SQLite has one writer, and
   PostgreSQL is held to it by an advisory lock of the key.
2. What is past its lease is not there to anybody, whether it is deleted yet or not; renewed, it is
   there again, at its place.
"""

from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from gateway.state.durable.moment import NOW
from gateway.state.durable.schema.tickets import tickets as _t
from gateway.state.durable.store import Durable

_digest: Any = bindparam("b_digest")
_live: Any = (_t.c.digest == _digest) & (_t.c.lease_until > NOW)
_KNOWN: Final = select(_t.c.number).where(_t.c.token == bindparam("b_token"))
_COUNT: Final = select(func.count()).select_from(_t).where(_live)
_DRAW: Final = insert(_t).values(
    digest=_digest,
    token=bindparam("b_token"),
    lease_until=NOW + bindparam("b_lease_s"),
)
_FIRST: Final = select(func.min(_t.c.number)).where(_live)
_RENEW: Final = (
    update(_t)
    .where(_t.c.token.in_(bindparam("b_tokens", expanding=True)))
    .values(lease_until=NOW + bindparam("b_lease_s"))
)
_LEAVE: Final = delete(_t).where(_t.c.token == bindparam("b_token"))
_OVER: Final = (
    select(_t.c.number)
    .where(_t.c.lease_until <= NOW - bindparam("b_kept_s"))
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)
_DELETE: Final = delete(_t).where(_t.c.number.in_(bindparam("b_numbers", expanding=True)))
_KEPT_S: Final = 60.0
_TOKENS: Final = 500
"""In one statement."""


class DurableTickets:
    """A `TicketStore`.

    Args:
        durable: where they are kept.
    """

    def __init__(self, durable: Durable) -> None:
        self._durable = durable

    async def draw(self, key: bytes, token: int, *, limit: int, lease_s: float) -> int | None:
        """Return the number of a new ticket; see `TicketStore`."""
        values = {"b_digest": key, "b_token": token, "b_lease_s": lease_s}

        def ask(connection: Connection) -> int | None:
            if connection.dialect.name == "postgresql":
                number = int.from_bytes(key[:8], "big", signed=True)
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:number)"), {"number": number}
                )
            known = connection.execute(_KNOWN, {"b_token": token}).scalar()
            if known is not None:
                return int(known)
            if connection.execute(_COUNT, {"b_digest": key}).scalar_one() >= limit:
                return None
            connection.execute(_DRAW, values)
            return int(connection.execute(_KNOWN, {"b_token": token}).scalar_one())

        return await self._durable.write(ask)

    async def first(self, key: bytes) -> int | None:
        """Return the lowest live ticket of a key; see `TicketStore`."""
        return await self._durable.read(
            lambda connection: connection.execute(_FIRST, {"b_digest": key}).scalar()
        )

    async def renew(self, tokens: list[int], *, lease_s: float) -> None:
        """Prolong the leases of tickets; see `TicketStore`."""

        def ask(connection: Connection) -> None:
            for at in range(0, len(tokens), _TOKENS):
                some = tokens[at : at + _TOKENS]
                connection.execute(_RENEW, {"b_tokens": some, "b_lease_s": lease_s})

        await self._durable.write(ask)

    async def leave(self, token: int) -> None:
        """Give a ticket back; see `TicketStore`."""

        def ask(connection: Connection) -> None:
            connection.execute(_LEAVE, {"b_token": token})

        await self._durable.write(ask)

    async def sweep(self, limit: int = 500) -> int:
        """Delete up to `limit` tickets that ran out a while ago; return how many."""

        def ask(connection: Connection) -> int:
            values = {"b_limit": limit, "b_kept_s": _KEPT_S}
            numbers = list(connection.execute(_OVER, values).scalars())
            if numbers:
                connection.execute(_DELETE, {"b_numbers": numbers})
            return len(numbers)

        return await self._durable.write(ask)
