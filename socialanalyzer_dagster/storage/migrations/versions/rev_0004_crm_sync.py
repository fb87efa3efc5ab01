"""The CRM write completed: plans expire, rows are tried again, contacts are followed and read back."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PLAN_LASTS = timedelta(hours=72)
"""How long a plan lasts that was made before plans said so themselves."""


def upgrade() -> None:
    """Add the columns and tables."""
    never = sa.text("'1970-01-01 00:00:00'")
    op.add_column("sync_plans", sa.Column("expires_at", UtcDateTime(), server_default=never, nullable=False))
    op.add_column("sync_plans", sa.Column("resume_at", UtcDateTime(), nullable=True))
    op.add_column("sync_plan_rows", sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("sync_plan_rows", sa.Column("next_try_at", UtcDateTime(), nullable=True))
    op.add_column("sync_plan_rows", sa.Column("undone", JsonColumn, nullable=True))
    op.add_column("sync_plan_rows", sa.Column("webhook", sa.String(length=80), nullable=True))
    op.create_index("ix_sync_plan_rows_next_try_at", "sync_plan_rows", ["next_try_at"])
    empty = sa.text("'[]'")
    op.add_column("crm_links", sa.Column("aliases", JsonColumn, server_default=empty, nullable=False))
    op.add_column("crm_links", sa.Column("released", JsonColumn, server_default=empty, nullable=False))
    _create_tables()
    _date_plans()


def _create_tables() -> None:
    lead = ["lead_uid"], ["leads.lead_uid"]
    op.create_table(
        "crm_standings",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=True),
        sa.Column("outcome", sa.String(length=80), nullable=True),
        sa.Column("opted_out", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(*lead, name=op.f("fk_crm_standings_lead_uid_leads"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_crm_standings")),
    )
    op.create_index(op.f("ix_crm_standings_outcome"), "crm_standings", ["outcome"])
    op.create_table(
        "tier_overrides",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("tier", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(*lead, name=op.f("fk_tier_overrides_lead_uid_leads"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_tier_overrides")),
    )


def _date_plans() -> None:
    """A plan that exists already lasts as long as one made now."""
    plans = sa.table(
        "sync_plans",
        sa.column("plan_id", sa.String()),
        sa.column("created_at", UtcDateTime()),
        sa.column("expires_at", UtcDateTime()),
    )
    connection = op.get_bind()
    made: list[tuple[str, datetime]] = [(row.plan_id, row.created_at) for row in connection.execute(sa.select(plans))]
    for plan_id, created_at in made:
        dated = plans.update().where(plans.c.plan_id == plan_id).values(expires_at=created_at + _PLAN_LASTS)
        connection.execute(dated)
