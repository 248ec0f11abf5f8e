"""What is asked of the database for operations, each within one transaction.

Orders of locks: the order key before the rows of it; see rule 3 of `operations.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, func, select

from gateway.state.durable import operation_statements as _s
from gateway.state.operations import Acceptance, Claimed, Kept, State

_COLUMNS: Final = len(_s.KEPT)


@contextmanager
def in_order(connection: Connection, operation: str) -> Iterator[None]:
    """Change an operation that runs no more, and let the next of its order key be due."""
    order_key = connection.execute(_s.ORDER, {"b_id": operation}).scalar()
    _lock_order(connection, order_key)
    yield
    if order_key is not None:
        connection.execute(_s.LET_NEXT, {"b_order_key": order_key})


def _lock_order(connection: Connection, order_key: bytes | None) -> None:
    """Wait for whoever changes an operation of the order key. SQLite has one writer anyway."""
    if order_key is not None and connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_number_of(order_key))))


def _number_of(order_key: bytes) -> int:
    return int.from_bytes(order_key[:8], "big", signed=True)


def _is_next(connection: Connection, row: Any) -> bool:
    """Tell whether an operation that seemed due is the next of its order key.

    Its row is held already, so that nobody is waited for. The lock is not that of acceptances and
    ends, which a key with many callers is hardly ever without: who claims need only keep others
    from claiming. What is accepted meanwhile stands behind, and what ends was in the way.
    """
    if connection.dialect.name != "postgresql":
        return True
    asked = select(func.pg_try_advisory_xact_lock(_number_of(row.order_key[8:])))
    if not connection.execute(asked).scalar():
        return False
    before = row.number if row.state == State.WAITING.value else 0
    values = {"b_order_key": row.order_key, "b_number": row.number, "b_before": before}
    return connection.execute(_s.IN_THE_WAY.limit(1), values).first() is None


def accept(
    connection: Connection, values: dict[str, Any], *, full: bool
) -> tuple[Acceptance, Kept | None]:
    """Keep an operation, or return the one that its key stands for."""
    held = [values["b_order_key"]]
    if values["b_key"] is not None:
        # What held the key before is in an order of its own, and its row is changed too.
        held += connection.execute(_s.ORDER_BY_KEY, {"b_key": values["b_key"]}).scalars()
    for order_key in sorted({one for one in held if one is not None}):
        _lock_order(connection, order_key)
    if values["b_key"] is not None:
        connection.execute(_s.RELEASE_KEY, {"b_key": values["b_key"]})
        row = connection.execute(_s.BY_KEY, {"b_key": values["b_key"]}).first()
        if row is not None:
            return _known(row, values)
    if full:
        return Acceptance.FULL, None
    if connection.execute(_s.INSERT[connection.dialect.name], values).rowcount != 1:
        # Somebody else was faster with the key, or this question is asked again.
        row = connection.execute(_s.BY_KEY, {"b_key": values["b_key"]}).first()
        if row is not None:
            return _known(row, values)
    row = connection.execute(_s.BY_ID, {"b_id": values["b_id"]}).one()
    return Acceptance.NEW, kept_of(row)


def _known(row: Any, values: dict[str, Any]) -> tuple[Acceptance, Kept | None]:
    if row.id == values["b_id"]:
        return Acceptance.NEW, kept_of(row)
    if row.fingerprint != values["b_fingerprint"]:
        return Acceptance.OTHER_REQUEST, None
    return Acceptance.KNOWN, kept_of(row)


def claim(
    connection: Connection,
    methods: Sequence[str],
    tokens: Sequence[int],
    lease_s: float,
    running: Sequence[str],
) -> list[Claimed]:
    """Claim what is due, and return again what these tokens have claimed before.

    That has a new lease before anything is looked for: else it was due as well, and claimed twice.
    """
    connection.execute(_s.PROLONG, {"b_tokens": list(tokens), "b_lease_s": lease_s})
    before = connection.execute(_s.CLAIMED, {"b_tokens": list(tokens)}).all()
    found = [_claimed(row, row.token, row.attempts, died=False) for row in before]
    free = [token for token in tokens if token not in {row.token for row in before}]
    values = {"b_methods": list(methods), "b_running": list(running), "b_limit": len(free)}
    due = connection.execute(_s.DUE, values).all() if free else []
    for row, token in zip(due, free, strict=False):
        if row.order_key is not None and not _is_next(connection, row):
            continue
        connection.execute(
            _s.CLAIM, {"b_number": row.number, "b_token": token, "b_lease_s": lease_s}
        )
        died = row.state == State.RUNNING.value
        found.append(_claimed(row, token, row.attempts + 1, died=died))
    return found


def _claimed(row: Any, token: int, attempts: int, *, died: bool) -> Claimed:
    kept = kept_of(row)._replace(state=State.RUNNING, attempts=attempts)
    age_s = max(0.0, row.age_s)
    return Claimed(kept, token, row.request, row.metadata, row.header_key, row.owner, died, age_s)


def get(
    connection: Connection, operation: str, owner: bytes | None, *, hold: bool = False
) -> Kept | None:
    """Return an operation of an owner, None where there is none; `hold` keeps others from it."""
    row = connection.execute(_s.HOLD if hold else _s.FOUND, {"b_id": operation}).first()
    if row is None or row.owner == _s.DELETED or (owner is not None and row.owner != owner):
        return None
    return kept_of(row)


def kept_of(row: Any) -> Kept:
    """Return what a row that begins with the columns `KEPT` says."""
    kept = Kept(*row[:_COLUMNS])
    expires_at = 0.0 if kept.state in ("waiting", "running") else kept.expires_at
    return kept._replace(
        state=State(kept.state), expires_at=expires_at, cancelling=bool(kept.cancelling)
    )
