"""Durable operations: `gateway.state.operations`.

`due_at` is when a worker may have the operation: its next attempt while it waits, the end of the
lease while it runs. Where `key_stays`, `key_until` is moved to the same distance from the end once
there is one.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    false,
    text,
)

from gateway.state.durable.schema import metadata

OPEN_OPERATIONS = text("state IN ('waiting', 'running')")
"""What has no end. The indexes of such are small, and found by these very words."""
RUNNING_OPERATIONS = text("state = 'running'")
NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts by itself only where the type is INTEGER."""

operations = Table(
    "seawall_operations",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("method", Text, nullable=False),
    Column("owner", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("key_digest", LargeBinary, unique=True),
    Column("key_until", Double, nullable=False),
    Column("key_stays", Boolean, nullable=False, server_default=false()),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("order_key", LargeBinary),
    Column("cancelling", Boolean, nullable=False),
    Column("header_key", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    Column("progress", LargeBinary, nullable=False),
    Column("last_error", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Index(
        "seawall_operations_due",
        "due_at",
        postgresql_where=OPEN_OPERATIONS,
        sqlite_where=OPEN_OPERATIONS,
    ),
    Index(
        "seawall_operations_order",
        "order_key",
        "number",
        postgresql_where=OPEN_OPERATIONS,
        sqlite_where=OPEN_OPERATIONS,
    ),
    Index(
        "seawall_operations_open",
        "method",
        postgresql_where=OPEN_OPERATIONS,
        sqlite_where=OPEN_OPERATIONS,
    ),
    Index(
        "seawall_operations_token",
        "token",
        postgresql_where=RUNNING_OPERATIONS,
        sqlite_where=RUNNING_OPERATIONS,
    ),
    Index("seawall_operations_owner", "owner", "number"),
    Index("seawall_operations_expires", "expires_at"),
    sqlite_autoincrement=True,
)
