"""Warnings and errors of batches."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "log_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(length=80), nullable=False),
        sa.Column("logger", sa.String(length=255), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("exception", sa.String(length=255), nullable=True),
        sa.Column("stage", sa.String(length=80), nullable=True),
        sa.Column("platform", sa.String(length=80), nullable=True),
        sa.Column("step", sa.String(length=80), nullable=True),
        sa.Column("provider", sa.String(length=80), nullable=True),
        sa.Column("lead_uid", sa.String(length=36), nullable=True),
        sa.Column("attempt_key", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["lead_batches.batch_id"],
            name=op.f("fk_log_entries_batch_id_lead_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entries")),
    )
    op.create_index("ix_log_entries_batch_id_level", "log_entries", ["batch_id", "level"])
    op.create_index(op.f("ix_log_entries_at"), "log_entries", ["at"])
