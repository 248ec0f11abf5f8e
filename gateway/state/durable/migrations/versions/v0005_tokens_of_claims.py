"""What a claim has claimed is found by its token."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
_RUNNING = sa.text("state = 'running'")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "seawall_operations_token",
        "seawall_operations",
        ["token"],
        postgresql_where=_RUNNING,
        sqlite_where=_RUNNING,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("seawall_operations_token", "seawall_operations")
