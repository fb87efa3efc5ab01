"""Saved searches that run by a schedule of their own."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; no saved search has a schedule yet."""
    op.create_table(
        "preset_schedules",
        sa.Column("preset_id", sa.String(length=36), nullable=False),
        sa.Column("cron", sa.String(length=80), nullable=False),
        sa.Column("set_by", sa.String(length=255), nullable=False),
        sa.Column("set_at", UtcDateTime(), nullable=False),
        sa.Column("seen_until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["preset_id"],
            ["presets.preset_id"],
            name=op.f("fk_preset_schedules_preset_id_presets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("preset_id", name=op.f("pk_preset_schedules")),
    )
