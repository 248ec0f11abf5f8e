"""Tickets of calls that wait for their turn: `gateway.state.turns`."""

from sqlalchemy import BigInteger, Column, Double, Index, LargeBinary, Table

from gateway.state.durable.schema import metadata
from gateway.state.durable.schema.operations import NUMBER

tickets = Table(
    "seawall_tickets",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary, nullable=False),
    Column("token", BigInteger, nullable=False, unique=True),
    Column("lease_until", Double, nullable=False),
    Index("seawall_tickets_digest", "digest", "number"),
    Index("seawall_tickets_lease", "lease_until"),
    sqlite_autoincrement=True,
)
