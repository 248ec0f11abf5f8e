"""Tickets of calls that wait for their turn."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of tickets."""
    op.create_table(
        "seawall_tickets",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False, unique=True),
        sa.Column("lease_until", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("seawall_tickets_digest", "seawall_tickets", ["digest", "number"])
    op.create_index("seawall_tickets_lease", "seawall_tickets", ["lease_until"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("seawall_tickets")
