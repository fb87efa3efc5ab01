"""Under which privacy and outreach rules a CRM plan was made."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; plans made before have none and are made again before they are written."""
    op.add_column("sync_plans", sa.Column("rules_hash", sa.String(length=64), nullable=True))
