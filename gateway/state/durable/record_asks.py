"""What is asked about records, inside a transaction. See the rules of `records.py`."""

from typing import Any, Final

from sqlalchemy import Connection

from gateway.state.durable.record_statements import HOLD, HOLDER, INSERT, REPLACE
from gateway.state.records import LEASED, Record, Standing, State

_ROUNDS: Final = 5


def claim(connection: Connection, values: dict[str, Any]) -> Record:
    """Claim a key, or return how it stands."""
    mine = Record(Standing.MINE, values["b_token"], b"", values["b_lease_s"])
    insert = INSERT[connection.dialect.name]
    for _ in range(_ROUNDS):
        if connection.execute(insert, values).rowcount == 1:
            return mine
        row = connection.execute(HOLD, {"b_digest": values["b_digest"]}).first()
        if row is None:  # whoever had it forgot it in between
            continue
        if is_over(row):
            connection.execute(REPLACE, values)
            return mine
        if row.token == mine.token:
            return mine
        if row.fingerprint != values["b_fingerprint"]:
            return Record(Standing.OTHER_REQUEST)
        return record(row)
    return Record(Standing.CLAIMED)  # somebody claims and forgets it all the time


def _runs_still(row: Any) -> bool:
    return State(row.state) in LEASED and row.lease_s > 0


def is_over(row: Any) -> bool:
    """Return whether a record is kept no longer, so that it is absent."""
    return row.kept_s <= 0 and not _runs_still(row)


def record(row: Any) -> Record:
    """Return what a record says."""
    if row.state == State.DONE:
        return Record(Standing.DONE, row.token, row.answer, row.kept_s)
    if _runs_still(row):
        return Record(Standing.CLAIMED, row.token, b"", row.lease_s)
    return Record(Standing.UNKNOWN, row.token, b"", row.kept_s)


def any_of(connection: Connection, statements: list[Any], values: dict[str, Any]) -> bool:
    """Return whether one of the statements changed a record; none after it is executed."""
    return any(connection.execute(one, values).rowcount == 1 for one in statements)


def moved(
    connection: Connection,
    statements: list[Any],
    values: dict[str, Any],
    token: int,
    state: State,
    *,
    absent: bool = False,
) -> bool:
    """Make a change; return whether it holds now, by this question or one before.

    Args:
        connection: in a transaction.
        statements: of the change.
        values: for them.
        token: that the record then has.
        state: that it then has.
        absent: whether a record that is not there is one it may lead to.
    """
    if any_of(connection, statements, values):
        return True
    row = connection.execute(HOLDER, {"b_digest": values["b_digest"]}).first()
    if row is None:
        return absent
    return bool(row.token == token and row.state == state)
