"""What each day brought on each platform."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "metric_snapshots",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("platform", sa.String(length=80), nullable=False),
        sa.Column("figures", JsonColumn, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("day", "platform", name=op.f("pk_metric_snapshots")),
    )
