"""Which batches have something due at their newest plan: its end, a row to try again, a sync that was put off."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow, SyncPlanRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.sync_plans import PlanState


@dataclass(frozen=True, slots=True)
class DueBatch:
    """A batch, and the plan that something is due at."""

    key: str
    batch_id: str
    plan_id: str


def lapsed_batches(connection: Connection, now: datetime, *, deciding: str) -> list[DueBatch]:
    """Open plans past their time, and plans that ended so while their batch still has the status of `deciding`."""
    ended = and_(SyncPlanRow.state == PlanState.EXPIRED, LeadBatchRow.status == deciding)
    return _batches(connection, or_(and_(SyncPlanRow.state == PlanState.OPEN, SyncPlanRow.expires_at <= now), ended))


def batches_to_try(connection: Connection, now: datetime, *, ended: str, paused: str) -> list[DueBatch]:
    """Written plans with a row whose next try is due, while their batch has ended or waits for its canary's release."""
    due = SyncPlanRow.plan_id.in_(select(SyncPlanLeadRow.plan_id).where(SyncPlanLeadRow.next_try_at <= now))
    rests = or_(LeadBatchRow.status == ended, and_(LeadBatchRow.status == paused, LeadBatchRow.canary.is_not(None)))
    not_put_off = SyncPlanRow.resume_at.is_(None)
    return _batches(connection, and_(SyncPlanRow.state == PlanState.APPLIED, due, rests, not_put_off))


def batches_to_resume(connection: Connection, now: datetime, *, paused: str) -> list[DueBatch]:
    """Paused batches whose sync the CRM put off until now."""
    return _batches(connection, and_(SyncPlanRow.resume_at <= now, LeadBatchRow.status == paused))


def _batches(connection: Connection, condition: ColumnElement[bool]) -> list[DueBatch]:
    newest = select(SyncPlanRow.batch_id, func.max(SyncPlanRow.number).label("number")).group_by(SyncPlanRow.batch_id)
    last = newest.subquery()
    query = (
        select(LeadBatchRow.partition_key, LeadBatchRow.batch_id, SyncPlanRow.plan_id)
        .join(SyncPlanRow, SyncPlanRow.batch_id == LeadBatchRow.batch_id)
        .join(last, and_(last.c.batch_id == SyncPlanRow.batch_id, last.c.number == SyncPlanRow.number))
        .where(condition)
        .order_by(LeadBatchRow.partition_key)
    )
    return [DueBatch(*row) for row in connection.execute(query)]
