"""Limits, circuit breakers and health of vendors, shared by all processes; what vendor a batch waits for."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and columns."""
    op.create_table(
        "limiters",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("state", JsonColumn, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_limiters")),
    )
    op.create_table(
        "breaker_states",
        sa.Column("service", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("document", JsonColumn, nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_breaker_states")),
    )
    op.create_table(
        "service_health",
        sa.Column("service", sa.String(length=80), nullable=False),
        sa.Column("minute", UtcDateTime(), nullable=False),
        sa.Column("figures", JsonColumn, nullable=False),
        sa.PrimaryKeyConstraint("service", "minute", name=op.f("pk_service_health")),
    )
    op.add_column("lead_batches", sa.Column("waits_for", sa.String(length=80), nullable=True))
    op.add_column("lead_batches", sa.Column("waits_until", UtcDateTime(), nullable=True))
