"""Which run and which attempt of a batch logged an entry, and a batch's summary in a model's words."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was written before knows neither."""
    op.add_column("log_entries", sa.Column("run_id", sa.String(length=255), nullable=True))
    op.add_column("log_entries", sa.Column("attempt", sa.Integer(), nullable=True))
    op.add_column("lead_batches", sa.Column("polished_summary", JsonColumn, nullable=True))
