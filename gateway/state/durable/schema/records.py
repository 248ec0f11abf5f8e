"""Records of calls that must not happen twice: `gateway.state.records`."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from gateway.state.durable.schema import metadata

OPEN_RECORDS = text("state <> 'done'")
"""What is no answer. The index of such is small, and found by these very words."""

records = Table(
    "seawall_records",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("method", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("claims", Integer, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("answer", LargeBinary),
    Index("seawall_records_expires", "expires_at"),
    Index(
        "seawall_records_open",
        "changed_at",
        "digest",
        postgresql_where=OPEN_RECORDS,
        sqlite_where=OPEN_RECORDS,
    ),
)
