"""Operations in the durable store: `gateway.state.operations` says what they are.

Rules, besides those:
1. Accepting is one insert. Each later change is one statement that names the state it leads from
   and the token; one that changed nothing looks whether it holds already, as it does where a
   question was asked twice.
2. Who claims skips what another claims at the moment, so that workers do not wait for each other.
3. What accepts, ends or cancels operations of one order key does so one after another, before it
   touches any of them: none is left behind by an end that did not see it. Who claims one looks
   again whether it is the next, once nobody else changes any; what is being changed is left to
   the next look.
4. How many of a method wait is counted once a second in each process, and what it accepts itself
   is added: the bound may be passed by what others accept in that second.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.core.clock import Clock
from gateway.state.durable import operation_asks as _asks
from gateway.state.durable import operation_statements as _s
from gateway.state.durable.schema.operations import operations as _o
from gateway.state.durable.store import Durable
from gateway.state.operations import (
    Acceptance,
    Accepted,
    Cancellation,
    Claimed,
    Deferral,
    Kept,
    OperationQuery,
    Renewal,
    State,
)

_COUNTED_FOR_S: Final = 1.0
_CANCELLED_KEPT_S: Final = 86_400.0


class DurableOperations:
    """An `OperationStore`.

    Args:
        durable: where they are kept.
        clock: for how long a count is believed.
    """

    def __init__(self, durable: Durable, clock: Clock) -> None:
        self._durable = durable
        self._clock = clock
        self._pending: dict[str, tuple[float, int]] = {}

    async def accept(self, accepted: Accepted) -> tuple[Acceptance, Kept | None]:
        """Keep an operation; see `OperationStore`."""
        values = {
            "b_id": accepted.id,
            "b_method": accepted.method,
            "b_owner": accepted.owner,
            "b_request": accepted.request,
            "b_metadata": accepted.metadata,
            "b_header_key": accepted.header_key,
            "b_key": accepted.key or None,
            "b_fingerprint": accepted.fingerprint,
            "b_key_held_s": accepted.key_held_s,
            "b_key_stays": accepted.key_stays,
            "b_order_key": accepted.order_key or None,
            "b_not_before_s": accepted.not_before_s,
            "b_last_error": accepted.last_error,
        }
        full = await self._is_full(accepted.method, accepted.max_pending)

        def ask(connection: Connection) -> tuple[Acceptance, Kept | None]:
            return _asks.accept(connection, values, full=full)

        done, kept = await self._durable.write(ask)
        if done is Acceptance.NEW:
            self._count(accepted.method)
        return done, kept

    async def _is_full(self, method: str, limit: int) -> bool:
        now = self._clock.now()
        counted_at, count = self._pending.get(method, (float("-inf"), 0))
        if now - counted_at >= _COUNTED_FOR_S:
            values = {"b_method": method, "b_limit": limit}
            count = await self._durable.read(
                lambda connection: int(connection.execute(_s.PENDING, values).scalar_one())
            )
            self._pending[method] = (now, count)
        return count >= limit

    def _count(self, method: str) -> None:
        counted_at, count = self._pending[method]
        self._pending[method] = (counted_at, count + 1)

    async def waits(self, method: str, order_key: bytes) -> bool:
        """Tell whether an operation with this order key has not ended; see `OperationStore`."""
        values = {"b_order_key": order_key}
        return await self._durable.read(
            lambda connection: connection.execute(_s.WAITS.limit(1), values).first() is not None
        )

    async def claim(
        self,
        methods: Sequence[str],
        tokens: Sequence[int],
        *,
        lease_s: float,
        running: Sequence[str] = (),
    ) -> list[Claimed]:
        """Claim what is due; see `OperationStore`."""
        if not (methods and tokens):
            return []

        def ask(connection: Connection) -> list[Claimed]:
            return _asks.claim(connection, methods, tokens, lease_s, running)

        return await self._durable.write(ask)

    async def renew(self, operation: str, token: int, *, lease_s: float) -> Renewal:
        """Prolong a lease; see `OperationStore`."""
        values = {"b_id": operation, "b_token": token, "b_lease_s": lease_s}

        def ask(connection: Connection) -> Renewal:
            if connection.execute(_s.RENEW, values).rowcount != 1:
                return Renewal.LOST
            row = connection.execute(_s.BY_ID, {"b_id": operation}).one()
            return Renewal.CANCEL if row.cancelling else Renewal.MINE

        return await self._durable.write(ask)

    async def note(self, operation: str, token: int, progress: bytes) -> bool:
        """Keep how far an operation is; see `OperationStore`."""
        values = {"b_id": operation, "b_token": token, "b_progress": progress}
        return await self._durable.write(
            lambda connection: connection.execute(_s.NOTE, values).rowcount == 1
        )

    async def defer(self, operation: str, token: int, deferral: Deferral) -> bool:
        """Let an operation wait; see `OperationStore`."""
        values = {
            "b_id": operation,
            "b_token": token,
            "b_due_in_s": deferral.due_in_s,
            "b_progress": deferral.progress,
            "b_last_error": deferral.last_error,
            "b_uncounted": int(deferral.uncounted),
        }
        return await self._changed(_s.DEFER, values, State.WAITING)

    async def end(
        self, operation: str, token: int, state: State, answer: bytes, *, retention_s: float
    ) -> bool:
        """End an operation; see `OperationStore`."""
        values = {
            "b_id": operation,
            "b_token": token,
            "b_state": state.value,
            "b_answer": answer,
            "b_retention_s": retention_s,
        }
        return await self._changed(_s.END, values, state)

    async def _changed(self, statement: Any, values: dict[str, Any], state: State) -> bool:
        """Make a change; return whether it holds now, by this question or one before."""

        def ask(connection: Connection) -> bool:
            with _asks.in_order(connection, values["b_id"]):
                changed = connection.execute(statement, values).rowcount == 1
            if changed:
                return True
            row = connection.execute(_s.BY_ID, {"b_id": values["b_id"]}).first()
            return row is not None and row.token == values["b_token"] and row.state == state.value

        return await self._durable.write(ask)

    async def get(self, operation: str, owner: bytes | None) -> Kept | None:
        """Return an operation; see `OperationStore`."""
        return await self._durable.read(lambda connection: _asks.get(connection, operation, owner))

    async def find(self, query: OperationQuery) -> list[Kept]:
        """Return operations, newest first; see `OperationStore`."""
        statement = _s.FIND
        if query.owner is None:
            statement = statement.where(_o.c.owner != _s.DELETED)
        else:
            statement = statement.where(_o.c.owner == query.owner)
        if query.method:
            statement = statement.where(_o.c.method == query.method)
        if query.states:
            statement = statement.where(_o.c.state.in_([one.value for one in query.states]))
        if query.after:
            statement = statement.where(_o.c.number < query.after)

        def ask(connection: Connection) -> list[Kept]:
            sizes = statement.with_only_columns(_o.c.number, _s.BYTES)
            found = connection.execute(sizes, {"b_limit": query.limit}).all()
            limit = _fitting([size for _, size in found], query.max_bytes)
            rows = connection.execute(statement, {"b_limit": limit}) if limit else ()
            return [_asks.kept_of(row) for row in rows]

        return await self._durable.read(ask)

    async def cancel(
        self, operation: str, owner: bytes | None, answer_of: Callable[[Kept], bytes]
    ) -> Cancellation | None:
        """Cancel one that waits, and ask one that runs to end; see `OperationStore`."""

        def ask(connection: Connection) -> Cancellation | None:
            with _asks.in_order(connection, operation):
                before = _asks.get(connection, operation, owner, hold=True)
                if before is None:
                    return None
                waits = before.state is State.WAITING
                values: dict[str, Any] = {"b_id": operation}
                if waits:
                    values |= {"b_answer": answer_of(before), "b_retention_s": _CANCELLED_KEPT_S}
                connection.execute(_s.CANCEL_WAITING if waits else _s.CANCEL_RUNNING, values)
            kept = _asks.get(connection, operation, owner)
            assert kept is not None
            return Cancellation(kept, ended=waits)

        return await self._durable.write(ask)

    async def delete(self, operation: str, owner: bytes | None) -> Kept | None:
        """Delete one that has ended; see `OperationStore`."""

        def ask(connection: Connection) -> Kept | None:
            kept = _asks.get(connection, operation, owner, hold=True)
            values = {"b_id": operation}
            if kept is not None and connection.execute(_s.HIDE_ENDED, values).rowcount == 0:
                connection.execute(_s.DELETE_ENDED, values)
            return kept

        return await self._durable.write(ask)

    async def retry(self, operation: str) -> bool:
        """Let a dead letter wait for all its attempts again; see `OperationStore`."""

        def ask(connection: Connection) -> bool:
            with _asks.in_order(connection, operation):
                retried = connection.execute(_s.RETRY, {"b_id": operation}).rowcount == 1
            if retried:
                return True
            row = connection.execute(_s.BY_ID, {"b_id": operation}).first()
            if row is None or row.owner == _s.DELETED:
                return False
            return bool(row.state == State.WAITING.value and row.attempts == 0)

        return await self._durable.write(ask)

    async def sweep(self, limit: int = 500) -> int:
        """Delete up to `limit` that have expired; see `OperationStore`."""

        def ask(connection: Connection) -> int:
            numbers = list(connection.execute(_s.EXPIRED, {"b_limit": limit}).scalars())
            if numbers:
                connection.execute(_s.DELETE, {"b_numbers": numbers})
            return len(numbers)

        return await self._durable.write(ask)


def _fitting(sizes: Sequence[int], max_bytes: int) -> int:
    """Return how many of the first together have no more than `max_bytes`; at least one."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if total > max_bytes:
            return max(1, count)
    return len(sizes)
