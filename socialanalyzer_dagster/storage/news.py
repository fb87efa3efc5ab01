"""What the tables tell that people should hear: caps nearly used up, lost answers, contacts given up (spec 16)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select

from socialanalyzer_dagster.storage.attempts import AttemptState
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow, ProviderAttemptRow
from socialanalyzer_dagster.storage.models_crm import SyncPlanLeadRow, SyncPlanRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.sync_plans import RowState

_SCOPES = table_of(BudgetScopeRow)
_BATCH = "batch:"


@dataclass(frozen=True, slots=True, kw_only=True)
class WarnedCap:
    """A cap that reached its warning share, and what is spent, reserved or unknown under it now."""

    scope: str
    used_micros: int
    cap_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAnswers:
    """Sendings of a batch to a vendor of which nobody knows what was charged."""

    batch_id: str
    vendor: str
    calls: int
    reserved_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadRows:
    """Contacts of a plan that are tried no more."""

    batch_id: str
    plan_id: str
    rows: int


def warned_caps(connection: Connection, since: datetime) -> list[WarnedCap]:
    """The caps that reached their warning share since a moment."""
    rows = connection.execute(select(_SCOPES).where(_SCOPES.c.warned_at >= since).order_by(_SCOPES.c.scope))
    return [
        WarnedCap(
            scope=row.scope,
            used_micros=row.settled_micros + row.held_micros + row.unknown_micros,
            cap_micros=row.cap_micros,
        )
        for row in rows
    ]


def lost_answers(connection: Connection, since: datetime) -> list[LostAnswers]:
    """By batch and vendor, of batches that are at work or ended since a moment."""
    of_scope = _BATCH + LeadBatchRow.batch_id
    uncertain = select(LeadBatchRow.batch_id).join(_SCOPES, _SCOPES.c.scope == of_scope)
    ids = connection.execute(uncertain.where(_SCOPES.c.unknown_micros > 0, _is_recent(since))).scalars()
    return [each for part in parts(sorted(ids)) for each in _lost_of(connection, part)]


def _lost_of(connection: Connection, batch_ids: Sequence[str]) -> list[LostAnswers]:
    attempt = ProviderAttemptRow
    rows = connection.execute(
        select(attempt.batch_id, attempt.provider, func.count(), func.sum(attempt.reserved_micros))
        .where(attempt.batch_id.in_(batch_ids), attempt.state == AttemptState.UNKNOWN)
        .group_by(attempt.batch_id, attempt.provider)
        .order_by(attempt.batch_id, attempt.provider)
    )
    return [
        LostAnswers(batch_id=batch_id or "", vendor=vendor, calls=calls, reserved_micros=int(micros))
        for batch_id, vendor, calls, micros in rows
    ]


def dead_rows(connection: Connection, since: datetime) -> list[DeadRows]:
    """By plan, of batches that are at work or ended since a moment."""
    row = SyncPlanLeadRow
    rows = connection.execute(
        select(SyncPlanRow.batch_id, row.plan_id, func.count())
        .select_from(LeadBatchRow)
        .join(SyncPlanRow, SyncPlanRow.batch_id == LeadBatchRow.batch_id)
        .join(row, row.plan_id == SyncPlanRow.plan_id)
        .where(_is_recent(since), row.state == RowState.DEAD)
        .group_by(SyncPlanRow.batch_id, row.plan_id)
        .order_by(row.plan_id)
    )
    return [DeadRows(batch_id=batch_id, plan_id=plan_id, rows=number) for batch_id, plan_id, number in rows]


def _is_recent(since: datetime) -> ColumnElement[bool]:
    return or_(LeadBatchRow.finished_at.is_(None), LeadBatchRow.finished_at >= since)
