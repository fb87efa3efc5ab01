"""Queries about written plans that may be taken back, row by row (spec 11.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, select, update

from socialanalyzer_dagster.domain.types import JsonObject
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow, SyncPlanRow
from socialanalyzer_dagster.storage.sync_plans import Plan, RowState, StoredRow, plan_rows

_WRITTEN = (RowState.CREATED, RowState.UPDATED)


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did with a row."""

    row_id: str
    document: JsonObject


def written_plan(connection: Connection, batch_id: str, plan_hash: str | None) -> Plan | None:
    """The newest plan of a batch with written rows, or the one whose hash begins so; undone ones count too."""
    columns = [getattr(SyncPlanRow, name) for name in Plan.__dataclass_fields__]
    written = exists().where(SyncPlanLeadRow.plan_id == SyncPlanRow.plan_id, SyncPlanLeadRow.state.in_(_WRITTEN))
    query = select(*columns).where(SyncPlanRow.batch_id == batch_id, written)
    if plan_hash is not None:
        query = query.where(SyncPlanRow.plan_hash.startswith(plan_hash, autoescape=True))
    row = connection.execute(query.order_by(SyncPlanRow.number.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else Plan(**row)


def rows_to_undo(connection: Connection, plan_id: str) -> list[StoredRow]:
    """Written rows of a plan that no undo has dealt with."""
    done = set(
        connection.execute(
            select(SyncPlanLeadRow.row_id).where(
                SyncPlanLeadRow.plan_id == plan_id, SyncPlanLeadRow.undone.is_not(None)
            )
        ).scalars()
    )
    rows = plan_rows(connection, plan_id)
    return [row for row in rows if row.state in _WRITTEN and row.row_id not in done]


def mark_undone(connection: Connection, undone: Sequence[Undone]) -> None:
    """Remember what was done, once per row (compare-and-set)."""
    for each in undone:
        row = (SyncPlanLeadRow.row_id == each.row_id, SyncPlanLeadRow.undone.is_(None))
        connection.execute(update(SyncPlanLeadRow).where(*row).values(undone=dict(each.document)))
