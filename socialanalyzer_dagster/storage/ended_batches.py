"""Batches that ended between two moments, and their best leads: what digests and reports are made of (spec 16)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow

_LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A batch and how it ended."""

    batch_id: str
    key: str
    status: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BestLead:
    """A lead that scored well, by its uid."""

    uid: str
    score: str
    batch_key: str


def ended_between(connection: Connection, since: datetime, until: datetime, statuses: Sequence[str]) -> list[Ended]:
    """The batches in one of the statuses that ended from one moment on and before the other, the oldest first."""
    rows = connection.execute(
        select(
            LeadBatchRow.batch_id,
            LeadBatchRow.partition_key,
            LeadBatchRow.status,
            LeadBatchRow.search_fingerprint,
        )
        .where(LeadBatchRow.finished_at >= since, LeadBatchRow.finished_at < until, LeadBatchRow.status.in_(statuses))
        .order_by(LeadBatchRow.finished_at, LeadBatchRow.batch_id)
    )
    return [
        Ended(batch_id=row.batch_id, key=row.partition_key, status=row.status, fingerprint=row.search_fingerprint)
        for row in rows
    ]


def best_leads(connection: Connection, batch_ids: Sequence[str], limit: int) -> list[BestLead]:
    """The leads of these batches with the highest scores; nobody who objected or was erased."""
    found: list[BestLead] = []
    for part in parts(batch_ids):
        rows = connection.execute(
            select(ScoreRow.lead_uid, ScoreRow.lead_score, LeadBatchRow.partition_key)
            .join(LeadBatchRow, LeadBatchRow.batch_id == ScoreRow.batch_id)
            .join(LeadRow, LeadRow.lead_uid == ScoreRow.lead_uid)
            .where(
                ScoreRow.batch_id.in_(part),
                ScoreRow.kind == _LIVE,
                LeadRow.suppressed_at.is_(None),
                LeadRow.erased_at.is_(None),
            )
            .order_by(ScoreRow.lead_score.desc(), ScoreRow.lead_uid)
            .limit(limit)
        )
        found += [BestLead(uid=row.lead_uid, score=row.lead_score, batch_key=row.partition_key) for row in rows]
    return sorted(found, key=lambda each: each.score, reverse=True)[:limit]
