"""Durable operations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of operations."""
    op.create_table(
        "seawall_operations",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("accepted_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("key_digest", sa.LargeBinary, unique=True),
        sa.Column("key_until", sa.Double, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("order_key", sa.LargeBinary),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("header_key", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("progress", sa.LargeBinary, nullable=False),
        sa.Column("last_error", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    still_open = sa.text("state IN ('waiting', 'running')")
    for name, columns in (
        ("due", ["due_at"]),
        ("order", ["order_key", "number"]),
        ("open", ["method"]),
    ):
        op.create_index(
            f"seawall_operations_{name}",
            "seawall_operations",
            columns,
            postgresql_where=still_open,
            sqlite_where=still_open,
        )
    op.create_index("seawall_operations_owner", "seawall_operations", ["owner", "number"])
    op.create_index("seawall_operations_expires", "seawall_operations", ["expires_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("seawall_operations")
