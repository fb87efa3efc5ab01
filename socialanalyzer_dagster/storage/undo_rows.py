"""Queries about written plans that may be taken back, row by row (spec 11.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, or_, select, update

from socialanalyzer_dagster.domain.types import JsonObject, LeadUid
from socialanalyzer_dagster.storage.leads import parts
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


def later_written(connection: Connection, plan: Plan, leads: Sequence[LeadUid]) -> frozenset[LeadUid]:
    """Leads that a later plan was written for, which no undo has taken back."""
    found: set[LeadUid] = set()
    is_later = or_(
        SyncPlanRow.created_at > plan.created_at,
        and_(SyncPlanRow.batch_id == plan.batch_id, SyncPlanRow.number > plan.number),
    )
    for part in parts(leads):
        rows = connection.execute(
            select(SyncPlanLeadRow.lead_uid, SyncPlanLeadRow.undone)
            .join(SyncPlanRow, SyncPlanRow.plan_id == SyncPlanLeadRow.plan_id)
            .where(SyncPlanLeadRow.lead_uid.in_(part), SyncPlanLeadRow.state.in_(_WRITTEN), is_later)
        )
        found |= {LeadUid(uid) for uid, undone in rows if not is_ended(undone)}
    return frozenset(found)


def is_ended(undone: Mapping[str, Any] | None) -> bool:
    """True for a row that an undo has dealt with, not for one that it only began with."""
    return undone is not None and "at" in undone


def rows_to_undo(connection: Connection, plan_id: str) -> list[StoredRow]:
    """Written rows of a plan that no undo has dealt with."""
    touched = (SyncPlanLeadRow.plan_id == plan_id, SyncPlanLeadRow.undone.is_not(None))
    undone = connection.execute(select(SyncPlanLeadRow.row_id, SyncPlanLeadRow.undone).where(*touched))
    done = {row_id for row_id, document in undone if is_ended(document)}
    rows = plan_rows(connection, plan_id)
    return [row for row in rows if row.state in _WRITTEN and row.row_id not in done]


def begin_undo(connection: Connection, row_ids: Sequence[str], now: datetime) -> None:
    """Say before it is written that earlier values may stand in the CRM from now on."""
    begun = {"begun_at": now.isoformat()}
    for part in parts(row_ids):
        rows = (SyncPlanLeadRow.row_id.in_(part), SyncPlanLeadRow.undone.is_(None))
        connection.execute(update(SyncPlanLeadRow).where(*rows).values(undone=begun))


def mark_undone(connection: Connection, undone: Sequence[Undone]) -> None:
    """Remember what was done; whoever works on the batch holds its lock."""
    for each in undone:
        row = SyncPlanLeadRow.row_id == each.row_id
        connection.execute(update(SyncPlanLeadRow).where(row).values(undone=dict(each.document)))
