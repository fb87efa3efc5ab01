"""Which written rows of a plan a workflow was told about (spec 11.6)."""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, func, select, update

from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow
from socialanalyzer_dagster.storage.sync_plans import RowState, StoredRow, rows_by_id

UNKNOWN = "unknown"
"""What is stored before a call goes out: nobody can tell what became of one that has no answer."""
ACCEPTED, FAILED = "accepted", "failed: "
_WRITTEN = (RowState.CREATED, RowState.UPDATED)


def claim(connection: Connection, plan_id: str) -> list[StoredRow]:
    """Written rows that nobody told about yet; whoever claims them tells, and nobody else does."""
    table = table_of(SyncPlanLeadRow)
    untold = (table.c.plan_id == plan_id, table.c.state.in_(_WRITTEN), table.c.webhook.is_(None))
    ids = connection.execute(select(table.c.row_id).where(*untold).with_for_update()).scalars().all()
    if not ids:
        return []
    connection.execute(update(table).where(*untold).values(webhook=UNKNOWN))
    return rows_by_id(connection, ids)


def untold_reason(stored: str | None) -> str | None:
    """Why the workflow was not told, or nobody knows; None when it was, or when nobody tried."""
    return None if stored in (None, ACCEPTED) else str(stored).removeprefix(FAILED)


def untold_count(connection: Connection, plan_id: str) -> int:
    """Written contacts that the workflow was not told about, or may not have been."""
    table = table_of(SyncPlanLeadRow)
    failed = (table.c.webhook == UNKNOWN) | table.c.webhook.startswith(FAILED)
    return connection.execute(select(func.count()).where(table.c.plan_id == plan_id, failed)).scalar_one()


def store_answers(connection: Connection, answers: Mapping[str, str | None]) -> None:
    """Row -> what the workflow said; None frees a row that was claimed and not sent."""
    if not answers:
        return
    table = table_of(SyncPlanLeadRow)
    connection.execute(
        update(table).where(table.c.row_id == bindparam("row")).values(webhook=bindparam("answer")),
        [{"row": row, "answer": answer} for row, answer in answers.items()],
    )
