"""The figures people were asked about, the lowest tier they let into the CRM, and plans that are made again alone."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; questions asked before have no figures and are about CRM plans."""
    op.add_column("gates", sa.Column("subject", JsonColumn, nullable=True))
    op.add_column("lead_batches", sa.Column("tier_floor", sa.String(length=80), nullable=True))
    op.add_column("lead_batches", sa.Column("plan_only", sa.Boolean(), server_default=sa.false(), nullable=False))
