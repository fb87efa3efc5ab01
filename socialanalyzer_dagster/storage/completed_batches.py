"""Queries about batches that went through: what estimates and similar searches are measured by (spec 5.8, 12.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.storage.batches import COMPLETED
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, SearchRow

_OF_PLATFORM = (LeadBatchRow.platform == bindparam("platform"), LeadBatchRow.status.in_(COMPLETED))
_SINCE = (
    select(LeadBatchRow.batch_id, LeadBatchRow.finished_at, SearchRow.kind)
    .join(SearchRow, SearchRow.fingerprint == LeadBatchRow.search_fingerprint)
    .where(*_OF_PLATFORM, LeadBatchRow.capped.is_(False), LeadBatchRow.finished_at >= bindparam("since"))
    .order_by(LeadBatchRow.finished_at)
)
_NEWEST = (
    select(LeadBatchRow.batch_id, LeadBatchRow.partition_key, LeadBatchRow.filters, LeadBatchRow.finished_at)
    .where(*_OF_PLATFORM)
    .order_by(LeadBatchRow.finished_at.desc(), LeadBatchRow.batch_id)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A batch that went through undisturbed by a cap."""

    batch_id: str
    finished_at: datetime
    is_list: bool


def completed_since(connection: Connection, platform: PlatformKey, since: datetime) -> list[Completed]:
    """The platform's batches completed after an instant, capped ones left out: their drop-out is not the search's."""
    rows = connection.execute(_SINCE, {"platform": platform, "since": since})
    return [
        Completed(batch_id=batch_id, finished_at=finished_at, is_list=kind == "list")
        for batch_id, finished_at, kind in rows
        if finished_at is not None
    ]


def newest_completed(connection: Connection, platform: PlatformKey, limit: int) -> Sequence[Row[Any]]:
    """Rows (batch_id, partition_key, filters, finished_at), newest first: filter columns only (spec 5.8, I-54)."""
    return connection.execute(_NEWEST, {"platform": platform, "most": limit}).all()
