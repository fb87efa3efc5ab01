"""Chains of batches: who is whose parent, which stages ended when, and the leads that rules look at (spec 15.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import BatchStageRow, LeadBatchRow
from socialanalyzer_dagster.storage.models_results import EvidenceRow, ScoreRow
from socialanalyzer_dagster.storage.scores import LIVE

_LONGEST_CHAIN = 100
_BATCHES = table_of(LeadBatchRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a batch stands in its chain: the batches it comes from, its parent first, and the first batch of all."""

    ancestors: tuple[str, ...]
    lineage: str

    @property
    def depth(self) -> int:
        """How many generations lie between the first batch and this one; 0 for the first itself."""
        return len(self.ancestors)


def place_of(connection: Connection, batch_id: str) -> Place:
    """The batch's place; a parent that is not stored begins the chain with its child."""
    chain = [batch_id]
    while len(chain) <= _LONGEST_CHAIN:
        parent = connection.execute(
            select(_BATCHES.c.parent_batch_id).where(_BATCHES.c.batch_id == chain[-1])
        ).scalar_one_or_none()
        if parent is None or parent in chain or not _exists(connection, parent):
            break
        chain.append(parent)
    return Place(ancestors=tuple(chain[1:]), lineage=chain[-1])


def _exists(connection: Connection, batch_id: str) -> bool:
    return connection.execute(select(_BATCHES.c.batch_id).where(_BATCHES.c.batch_id == batch_id)).first() is not None


def lock_lineage(connection: Connection, lineage: str) -> None:
    """Hold the row of a chain's first batch until the transaction ends, so that one decides about the chain at a time.

    SQLite has one writer at a time anyway.
    """
    connection.execute(select(_BATCHES.c.batch_id).where(_BATCHES.c.batch_id == lineage).with_for_update())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedStage:
    """A stage of a batch that was gone through."""

    batch_id: str
    stage: Stage
    finished_at: datetime


def stages_ended(connection: Connection, since: datetime, until: datetime) -> list[EndedStage]:
    """Every stage whose last run ended in [since, until), in the order of their ends."""
    rows = connection.execute(
        select(BatchStageRow.batch_id, BatchStageRow.stage, BatchStageRow.finished_at)
        .where(BatchStageRow.finished_at >= since, BatchStageRow.finished_at < until)
        .order_by(BatchStageRow.finished_at, BatchStageRow.batch_id)
    )
    return [
        EndedStage(batch_id=batch_id, stage=Stage(stage), finished_at=finished_at)
        for batch_id, stage, finished_at in rows
        if finished_at is not None
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveScore:
    """The score of one lead in a batch, as stored, with the category it was scored in."""

    lead: LeadUid
    lead_score: str
    category: str


def live_scores(connection: Connection, batch_id: str) -> list[LiveScore]:
    """The scores of a batch that decided; those of erased people are not among them."""
    rows = connection.execute(
        select(ScoreRow.lead_uid, ScoreRow.lead_score, ScoreRow.record["inputs"]["category"].as_string())
        .where(ScoreRow.batch_id == batch_id, ScoreRow.kind == LIVE)
        .order_by(ScoreRow.lead_uid)
    )
    return [
        LiveScore(lead=LeadUid(uid), lead_score=score, category=category)
        for uid, score, category in rows
        if category is not None
    ]


def bodies_of_kind(connection: Connection, leads: Sequence[LeadUid], kind: str) -> list[tuple[LeadUid, Any]]:
    """Lead and body of every piece of evidence of one kind."""
    found: list[tuple[LeadUid, Any]] = []
    for part in parts(leads):
        rows = connection.execute(
            select(EvidenceRow.lead_uid, EvidenceRow.body).where(
                EvidenceRow.lead_uid.in_(part), EvidenceRow.kind == kind
            )
        )
        found += [(LeadUid(uid), body) for uid, body in rows]
    return found
