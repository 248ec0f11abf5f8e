"""Records of calls that must not happen twice."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table of records."""
    op.create_table(
        "seawall_records",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("claims", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("answer", sa.LargeBinary),
    )
    op.create_index("seawall_records_expires", "seawall_records", ["expires_at"])
    still_open = sa.text("state <> 'done'")
    op.create_index(
        "seawall_records_open",
        "seawall_records",
        ["changed_at", "digest"],
        postgresql_where=still_open,
        sqlite_where=still_open,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("seawall_records")
