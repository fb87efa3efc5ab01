"""Known leads and claims: which leads a batch may work on (spec 6.6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from socialanalyzer_dagster.domain.outcomes import OF_FILTERS, Result
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.database import insert_new, table_of, unindexed, upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadBatchRow, LeadClaimRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

NO_JUDGEMENT = ("known_recent", "claimed_by_other_batch")
"""Codes of outcomes that say nothing about a lead itself (spec 6.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """From when on an earlier judgement still stands (spec 6.6 rule 2)."""

    judged_since: datetime
    """Rejected or failed after this: not looked at again."""
    scored_since: datetime
    """Passed at scored or synced after this: not looked at again."""
    ancestors: tuple[str, ...] = ()
    """Batches that this one widens: whom only their filters rejected is looked at again (15.1)."""


def known_recent(connection: Connection, batch_id: str, recheck: Recheck, *, after: int) -> frozenset[LeadUid]:
    """Leads of the batch after a position whose newest judgement in another batch still stands: one query for all."""
    outcome = aliased(StageOutcomeRow)
    newest = (
        select(
            outcome.lead_uid,
            outcome.stage,
            outcome.result,
            outcome.code,
            outcome.batch_id,
            outcome.finished_at,
            func.row_number()
            .over(partition_by=outcome.lead_uid, order_by=(outcome.finished_at.desc(), outcome.id.desc()))
            .label("age_rank"),
        )
        .join(BatchLeadRow, and_(BatchLeadRow.lead_uid == outcome.lead_uid, BatchLeadRow.batch_id == batch_id))
        .where(
            BatchLeadRow.position > after,
            outcome.batch_id != batch_id,
            outcome.is_current,
            outcome.result != Result.SKIPPED,
            func.coalesce(outcome.code, "").not_in(NO_JUDGEMENT),
        )
        .subquery()
    )
    by_filters = and_(newest.c.batch_id.in_(recheck.ancestors), func.coalesce(newest.c.code, "").in_(OF_FILTERS))
    judged = and_(
        newest.c.result.in_((Result.REJECTED, Result.FAILED)),
        newest.c.finished_at >= recheck.judged_since,
        ~by_filters,
    )
    scored = and_(
        newest.c.result == Result.PASSED,
        newest.c.stage.in_((Stage.SCORED, Stage.SYNCED)),
        newest.c.finished_at >= recheck.scored_since,
    )
    found = connection.execute(select(newest.c.lead_uid).where(newest.c.age_rank == 1, or_(judged, scored)))
    return frozenset(LeadUid(uid) for uid in found.scalars())


def drop_dead_claims(connection: Connection, batch_id: str, silent_since: datetime) -> None:
    """End claims of other batches that are over, or that gave no sign of life since an instant (spec 6.6 rule 3)."""
    dead = select(LeadBatchRow.batch_id).where(
        LeadBatchRow.batch_id != batch_id,
        or_(
            LeadBatchRow.status.in_(TERMINAL),
            func.coalesce(LeadBatchRow.heartbeat_at, LeadBatchRow.created_at) < silent_since,
        ),
    )
    connection.execute(delete(LeadClaimRow).where(LeadClaimRow.batch_id.in_(dead)))


def hand_down_claims(connection: Connection, ancestors: Sequence[str]) -> None:
    """End the claims of batches on leads that only their filters rejected: a batch that widens them may take those."""
    if not ancestors:
        return
    rejected = select(StageOutcomeRow.lead_uid).where(
        StageOutcomeRow.batch_id.in_(ancestors), StageOutcomeRow.is_current, StageOutcomeRow.code.in_(OF_FILTERS)
    )
    connection.execute(
        delete(LeadClaimRow).where(LeadClaimRow.batch_id.in_(ancestors), LeadClaimRow.lead_uid.in_(rejected))
    )


def claim(connection: Connection, batch_id: str, leads: list[LeadUid], now: datetime) -> frozenset[LeadUid]:
    """Claim leads for the batch; returns those it has now. A lead somebody else has stays there (I-43).

    Always in the same order, so that two batches that want the same leads wait for each other and do not lock up.
    """
    if not leads:
        return frozenset()
    rows = [{"lead_uid": uid, "batch_id": batch_id, "claimed_at": now} for uid in sorted(leads)]
    connection.execute(insert_new(connection, LeadClaimRow), rows)
    mine = connection.execute(
        select(LeadClaimRow.lead_uid).where(
            unindexed(LeadClaimRow.batch_id) == batch_id, LeadClaimRow.lead_uid.in_(leads)
        )
    )
    return frozenset(LeadUid(uid) for uid in mine.scalars())


def claimed(connection: Connection, batch_id: str, leads: Iterable[LeadUid]) -> list[LeadUid]:
    """Those of the leads that the batch has claimed."""
    return [
        LeadUid(uid)
        for part in parts(leads)
        for uid in connection.execute(
            select(LeadClaimRow.lead_uid).where(
                unindexed(LeadClaimRow.batch_id) == batch_id, LeadClaimRow.lead_uid.in_(part)
            )
        ).scalars()
    ]


def claim_again(connection: Connection, batch_id: str, now: datetime) -> None:
    """Claim every lead that the batch passed at discovered and nobody else works on now (a retry)."""
    table = table_of(LeadClaimRow)
    passed = select(
        StageOutcomeRow.lead_uid,
        literal(batch_id).label("batch_id"),
        literal(now, table.c.claimed_at.type).label("claimed_at"),
    ).where(
        StageOutcomeRow.batch_id == batch_id,
        StageOutcomeRow.stage == Stage.DISCOVERED,
        StageOutcomeRow.is_current,
        StageOutcomeRow.result == Result.PASSED,
        ~exists(select(LeadClaimRow.lead_uid).where(LeadClaimRow.lead_uid == StageOutcomeRow.lead_uid)),
    )
    statement = upsert(connection, LeadClaimRow).from_select(["lead_uid", "batch_id", "claimed_at"], passed)
    connection.execute(statement.on_conflict_do_nothing())


def drop_claims(connection: Connection, batch_id: str, leads: Sequence[LeadUid]) -> None:
    """End the batch's claims on some leads."""
    connection.execute(delete(LeadClaimRow).where(LeadClaimRow.batch_id == batch_id, LeadClaimRow.lead_uid.in_(leads)))


def release_claims(connection: Connection, batch_id: str) -> None:
    """End the claims of a batch."""
    connection.execute(delete(LeadClaimRow).where(LeadClaimRow.batch_id == batch_id))
