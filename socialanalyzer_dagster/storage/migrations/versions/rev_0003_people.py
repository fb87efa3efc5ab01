"""People's rights: requests with receipts, notices, and what marks reduced, erased and suppressed leads."""

import sqlalchemy as sa
from alembic import op

from socialanalyzer_dagster.storage.columns import JsonColumn, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and add the columns."""
    op.create_table(
        "privacy_requests",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("identifier_kind", sa.String(length=80), nullable=False),
        sa.Column("keyed_hash", sa.String(length=64), nullable=False),
        sa.Column("leads", JsonColumn, nullable=False),
        sa.Column("requested_by", sa.String(length=255), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("receipt", JsonColumn, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_privacy_requests")),
    )
    op.create_index("ix_privacy_requests_keyed_hash", "privacy_requests", ["keyed_hash"])
    op.create_index("ix_privacy_requests_state", "privacy_requests", ["state"])
    op.create_table(
        "notices",
        sa.Column("lead_uid", sa.String(length=36), nullable=False),
        sa.Column("contacted_at", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("recorded_by", sa.String(length=255), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_uid"], ["leads.lead_uid"], name=op.f("fk_notices_lead_uid_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_uid", name=op.f("pk_notices")),
    )
    for name in ("reduced_at", "erased_at", "suppressed_at"):
        op.add_column("leads", sa.Column(name, UtcDateTime(), nullable=True))
    op.create_index("ix_leads_reduced_at", "leads", ["reduced_at"])
    op.add_column("provider_answers", sa.Column("reduced_at", UtcDateTime(), nullable=True))
    op.create_index("ix_provider_answers_answered_at", "provider_answers", ["answered_at"])
