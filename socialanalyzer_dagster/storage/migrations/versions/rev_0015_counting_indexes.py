"""Indexes that answer counts and sums by themselves: rows of outcomes and of the ledger are long, figures short."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace two indexes by longer ones and add two."""
    op.create_index("ix_stage_outcomes_counts", "stage_outcomes", ["batch_id", "stage", "result", "is_current"])
    op.drop_index("ix_stage_outcomes_batch_id_stage_result", "stage_outcomes")
    op.create_index("ix_ledger_entries_batch_costs", "ledger_entries", ["batch_id", "stage", "amount_micros"])
    op.drop_index("ix_ledger_entries_batch_id_stage", "ledger_entries")
    op.create_index("ix_ledger_entries_day_costs", "ledger_entries", ["platform", "at", "amount_micros"])
    op.create_index("ix_sync_plan_rows_plan_id_state", "sync_plan_rows", ["plan_id", "state"])
