"""Quick answers to what rules ask every minute: which stages ended lately, which choices are open."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    op.create_index("ix_batch_stages_finished_at", "batch_stages", ["finished_at"])
    op.create_index("ix_decisions_kind_result", "decisions", ["kind", "result"])
