"""What one UTC day brought on a platform, whatever batch it belonged to (spec 14.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.storage.database import insert_or_update, table_of
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.models_decisions import MetricSnapshotRow
from socialanalyzer_dagster.storage.models_leads import BatchStageRow, FilterHistoryRow, LeadBatchRow
from socialanalyzer_dagster.storage.models_results import ScoreRow, StageOutcomeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOf:
    """A UTC day on a platform."""

    day: date
    platform: PlatformKey

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.day, time(), UTC)

    @property
    def ends(self) -> datetime:
        """The first moment of the next day."""
        return self.begins + timedelta(days=1)


def passed_in(connection: Connection, of: DayOf) -> dict[Stage, int]:
    """Leads that passed each stage during the day."""
    rows = connection.execute(
        select(StageOutcomeRow.stage, func.count())
        .join(LeadBatchRow, LeadBatchRow.batch_id == StageOutcomeRow.batch_id)
        .where(
            *_at_work(of),
            StageOutcomeRow.is_current,
            StageOutcomeRow.result == Result.PASSED,
            StageOutcomeRow.finished_at >= of.begins,
            StageOutcomeRow.finished_at < of.ends,
        )
        .group_by(StageOutcomeRow.stage)
    )
    return {Stage(stage): count for stage, count in rows}


def found_in(connection: Connection, of: DayOf) -> tuple[int, int]:
    """Distinct identities that the searches of the day found, and how many of them were new."""
    row = connection.execute(
        select(
            func.coalesce(func.sum(FilterHistoryRow.total_found), 0),
            func.coalesce(func.sum(FilterHistoryRow.new_found), 0),
        )
        .join(LeadBatchRow, LeadBatchRow.batch_id == FilterHistoryRow.batch_id)
        .where(
            LeadBatchRow.platform == of.platform,
            FilterHistoryRow.ran_at >= of.begins,
            FilterHistoryRow.ran_at < of.ends,
        )
    ).one()
    return int(row[0]), int(row[1])


def tiers_in(connection: Connection, of: DayOf) -> dict[str, int]:
    """Leads scored during the day, by tier, as their batch's policy decided."""
    rows = connection.execute(
        select(ScoreRow.tier, func.count())
        .join(LeadBatchRow, LeadBatchRow.batch_id == ScoreRow.batch_id)
        .where(
            *_at_work(of),
            ScoreRow.policy_hash == LeadBatchRow.policy_hash,
            ScoreRow.tier.is_not(None),
            ScoreRow.scored_at >= of.begins,
            ScoreRow.scored_at < of.ends,
        )
        .group_by(ScoreRow.tier)
    )
    return {str(tier): count for tier, count in rows}


def spent_in(connection: Connection, of: DayOf) -> int:
    """Micro-USD that the ledger booked on the platform during the day."""
    amount = connection.execute(
        select(func.coalesce(func.sum(LedgerEntryRow.amount_micros), 0)).where(
            LedgerEntryRow.platform == of.platform, LedgerEntryRow.at >= of.begins, LedgerEntryRow.at < of.ends
        )
    ).scalar_one()
    return int(amount)


def seconds_in(connection: Connection, of: DayOf) -> Mapping[Stage, float]:
    """Mean seconds of work per lead of each stage, over the batches of the day; stages without a lead are left out."""
    rows = connection.execute(
        select(BatchStageRow.stage, func.sum(BatchStageRow.busy_milliseconds), func.sum(BatchStageRow.done))
        .join(LeadBatchRow, LeadBatchRow.batch_id == BatchStageRow.batch_id)
        .where(*_at_work(of), BatchStageRow.started_at >= of.begins, BatchStageRow.started_at < of.ends)
        .group_by(BatchStageRow.stage)
    )
    return {Stage(stage): int(busy) / 1000 / int(done) for stage, busy, done in rows if done}


def keep_snapshot(connection: Connection, of: DayOf, figures: Mapping[str, Any], at: datetime) -> None:
    """Remember what a day brought; counted again, it replaces what was counted before."""
    statement = insert_or_update(connection, MetricSnapshotRow, keys=("day", "platform"), changed=("figures", "at"))
    connection.execute(statement, [{"day": of.day, "platform": of.platform, "figures": dict(figures), "at": at}])


def snapshots(connection: Connection, platform: PlatformKey, since: date, until: date) -> list[Mapping[str, Any]]:
    """Figures of the days in [since, until), the oldest first."""
    table = table_of(MetricSnapshotRow)
    wanted = (table.c.platform == platform, table.c.day >= since, table.c.day < until)
    return list(connection.execute(select(table.c.figures).where(*wanted).order_by(table.c.day)).scalars())


def _at_work(of: DayOf) -> tuple[ColumnElement[bool], ...]:
    """Batches of the platform that were open during the day: all others have no outcome in it."""
    return (
        LeadBatchRow.platform == of.platform,
        LeadBatchRow.created_at < of.ends,
        or_(LeadBatchRow.finished_at.is_(None), LeadBatchRow.finished_at >= of.begins),
    )
