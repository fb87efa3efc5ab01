"""Calls of no batch: sendings and ledger rows without batch and stage; a sending names platform and policy itself."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UID, _SHORT = sa.String(length=36), sa.String(length=80)
_OF_BATCH = ("platform", "policy_version")


def upgrade() -> None:
    """Fill the new columns from the batches, then let batch and stage be null."""
    for name in _OF_BATCH:
        op.add_column("provider_attempts", sa.Column(name, _SHORT, nullable=True))
    op.execute(_filled())
    with op.batch_alter_table("provider_attempts") as attempts:
        for name in _OF_BATCH:
            attempts.alter_column(name, existing_type=_SHORT, nullable=False)
        attempts.alter_column("batch_id", existing_type=_UID, nullable=True)
        attempts.alter_column("stage", existing_type=_SHORT, nullable=True)
    with op.batch_alter_table("ledger_entries") as entries:
        entries.alter_column("batch_id", existing_type=_UID, nullable=True)
        entries.alter_column("stage", existing_type=_SHORT, nullable=True)


def _filled() -> sa.Update:
    attempts = sa.table("provider_attempts", *(sa.column(name) for name in ("batch_id", *_OF_BATCH)))
    batches = sa.table("lead_batches", *(sa.column(name) for name in ("batch_id", *_OF_BATCH)))
    of_batch = {
        name: sa.select(batches.c[name]).where(batches.c.batch_id == attempts.c.batch_id).scalar_subquery()
        for name in _OF_BATCH
    }
    return sa.update(attempts).values(of_batch)
