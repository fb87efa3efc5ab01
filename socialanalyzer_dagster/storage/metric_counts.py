"""What metrics are counted from: batches, outcomes of a day, bills since a moment; never a person's data."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from socialanalyzer_dagster.storage.ledger import LedgerKind
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

_BILLED = (LedgerKind.SETTLED, LedgerKind.CORRECTION)


def batch_counts(connection: Connection) -> Sequence[Any]:
    """Rows (platform, status, batches)."""
    columns = (LeadBatchRow.platform, LeadBatchRow.status)
    return connection.execute(select(*columns, func.count().label("batches")).group_by(*columns)).all()


def outcome_counts_since(connection: Connection, since: datetime) -> Sequence[Any]:
    """Rows (platform, stage, result, leads) of current outcomes; looks only at batches that were worked on since."""
    worked_on = or_(
        LeadBatchRow.finished_at.is_(None), LeadBatchRow.finished_at >= since, LeadBatchRow.heartbeat_at >= since
    )
    columns = (LeadBatchRow.platform, StageOutcomeRow.stage, StageOutcomeRow.result)
    return connection.execute(
        select(*columns, func.count().label("leads"))
        .join(LeadBatchRow, LeadBatchRow.batch_id == StageOutcomeRow.batch_id)
        .where(worked_on, StageOutcomeRow.is_current, StageOutcomeRow.finished_at >= since)
        .group_by(*columns)
    ).all()


def billed_since(connection: Connection, since: datetime) -> dict[str, int]:
    """Micro-USD by vendor, late corrections among them."""
    rows = connection.execute(
        select(LedgerEntryRow.provider, func.sum(LedgerEntryRow.amount_micros))
        .where(LedgerEntryRow.at >= since, LedgerEntryRow.kind.in_(_BILLED))
        .group_by(LedgerEntryRow.provider)
    )
    return {provider: int(amount) for provider, amount in rows}


def oldest_heartbeat(connection: Connection, statuses: Collection[str]) -> datetime | None:
    """The longest-ago sign of life of the batches in these statuses; None when none of them ever gave one."""
    oldest: datetime | None = connection.execute(
        select(func.min(LeadBatchRow.heartbeat_at)).where(LeadBatchRow.status.in_(statuses))
    ).scalar_one()
    return oldest
