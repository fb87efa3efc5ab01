"""Known leads and claims: which leads a batch may work on (spec 6.6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Select, String, and_, bindparam, delete, exists, func, or_, select

from socialanalyzer_dagster.domain.outcomes import OF_FILTERS, Result
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.database import Upsert, insert_new, table_of, unindexed
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadBatchRow, LeadClaimRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.storage.outcome_sets import OF_BATCH

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


_OF_ANCESTORS = bindparam("ancestors", expanding=True, type_=String())


def _known_recent() -> Select[str]:
    newest = (
        select(
            StageOutcomeRow.lead_uid,
            StageOutcomeRow.stage,
            StageOutcomeRow.result,
            StageOutcomeRow.code,
            StageOutcomeRow.batch_id,
            StageOutcomeRow.finished_at,
            func.row_number()
            .over(
                partition_by=StageOutcomeRow.lead_uid,
                order_by=(StageOutcomeRow.finished_at.desc(), StageOutcomeRow.id.desc()),
            )
            .label("age_rank"),
        )
        .join(BatchLeadRow, and_(BatchLeadRow.lead_uid == StageOutcomeRow.lead_uid, BatchLeadRow.batch_id == OF_BATCH))
        .where(
            BatchLeadRow.position > bindparam("after"),
            StageOutcomeRow.batch_id != OF_BATCH,
            StageOutcomeRow.is_current,
            StageOutcomeRow.result != Result.SKIPPED,
            func.coalesce(StageOutcomeRow.code, "").not_in(NO_JUDGEMENT),
        )
        .subquery()
    )
    widened = newest.c.batch_id.in_(_OF_ANCESTORS)
    by_filters = and_(widened, func.coalesce(newest.c.code, "").in_(OF_FILTERS))
    judged = and_(
        newest.c.result.in_((Result.REJECTED, Result.FAILED)),
        newest.c.finished_at >= bindparam("judged_since"),
        ~by_filters,
    )
    scored = and_(
        newest.c.result == Result.PASSED,
        newest.c.stage.in_((Stage.SCORED, Stage.SYNCED)),
        newest.c.finished_at >= bindparam("scored_since"),
    )
    return select(newest.c.lead_uid).where(newest.c.age_rank == 1, or_(judged, scored))


_KNOWN_RECENT = _known_recent()


def known_recent(connection: Connection, batch_id: str, recheck: Recheck, *, after: int) -> frozenset[LeadUid]:
    """Leads of the batch after a position whose newest judgement in another batch still stands: one query for all."""
    bounds = {
        "of_batch": batch_id,
        "after": after,
        "ancestors": list(recheck.ancestors),
        "judged_since": recheck.judged_since,
        "scored_since": recheck.scored_since,
    }
    return frozenset(LeadUid(uid) for uid in connection.execute(_KNOWN_RECENT, bounds).scalars())


_DROP_DEAD = delete(LeadClaimRow).where(
    LeadClaimRow.batch_id.in_(
        select(LeadBatchRow.batch_id).where(
            LeadBatchRow.batch_id != OF_BATCH,
            or_(
                LeadBatchRow.status.in_(TERMINAL),
                func.coalesce(LeadBatchRow.heartbeat_at, LeadBatchRow.created_at) < bindparam("silent_since"),
            ),
        )
    )
)


def drop_dead_claims(connection: Connection, batch_id: str, silent_since: datetime) -> None:
    """End claims of other batches that are over, or that gave no sign of life since an instant (spec 6.6 rule 3)."""
    connection.execute(_DROP_DEAD, {"of_batch": batch_id, "silent_since": silent_since})


_HAND_DOWN = delete(LeadClaimRow).where(
    LeadClaimRow.batch_id.in_(_OF_ANCESTORS),
    LeadClaimRow.lead_uid.in_(
        select(StageOutcomeRow.lead_uid).where(
            StageOutcomeRow.batch_id.in_(_OF_ANCESTORS),
            StageOutcomeRow.is_current,
            StageOutcomeRow.code.in_(OF_FILTERS),
        )
    ),
)


def hand_down_claims(connection: Connection, ancestors: Sequence[str]) -> None:
    """End the claims of batches on leads that only their filters rejected: a batch that widens them may take those."""
    if ancestors:
        connection.execute(_HAND_DOWN, {"ancestors": list(ancestors)})


_MINE = select(LeadClaimRow.lead_uid).where(
    unindexed(LeadClaimRow.batch_id) == OF_BATCH, LeadClaimRow.lead_uid.in_(bindparam("leads", expanding=True))
)


def claim(connection: Connection, batch_id: str, leads: list[LeadUid], now: datetime) -> frozenset[LeadUid]:
    """Claim leads for the batch; returns those it has now. A lead somebody else has stays there (I-43).

    Always in the same order, so that two batches that want the same leads wait for each other and do not lock up.
    """
    if not leads:
        return frozenset()
    rows = [{"lead_uid": uid, "batch_id": batch_id, "claimed_at": now} for uid in sorted(leads)]
    connection.execute(insert_new(connection, LeadClaimRow), rows)
    mine = connection.execute(_MINE, {"of_batch": batch_id, "leads": leads})
    return frozenset(LeadUid(uid) for uid in mine.scalars())


def claimed(connection: Connection, batch_id: str, leads: Iterable[LeadUid]) -> list[LeadUid]:
    """Those of the leads that the batch has claimed."""
    return [
        LeadUid(uid)
        for part in parts(leads)
        for uid in connection.execute(_MINE, {"of_batch": batch_id, "leads": part}).scalars()
    ]


@cache
def _claim_passed(into: Upsert) -> Upsert:
    passed = select(
        StageOutcomeRow.lead_uid,
        OF_BATCH.label("batch_id"),
        bindparam("now", type_=table_of(LeadClaimRow).c.claimed_at.type).label("claimed_at"),
    ).where(
        StageOutcomeRow.batch_id == OF_BATCH,
        StageOutcomeRow.stage == Stage.DISCOVERED,
        StageOutcomeRow.is_current,
        StageOutcomeRow.result == Result.PASSED,
        ~exists(select(LeadClaimRow.lead_uid).where(LeadClaimRow.lead_uid == StageOutcomeRow.lead_uid)),
    )
    return into.from_select(["lead_uid", "batch_id", "claimed_at"], passed)


def claim_again(connection: Connection, batch_id: str, now: datetime) -> None:
    """Claim every lead that the batch passed at discovered and nobody else works on now (a retry)."""
    statement = _claim_passed(insert_new(connection, LeadClaimRow))
    connection.execute(statement, {"of_batch": batch_id, "now": now})


_RELEASE = delete(LeadClaimRow).where(LeadClaimRow.batch_id == OF_BATCH)
_DROP = _RELEASE.where(LeadClaimRow.lead_uid.in_(bindparam("leads", expanding=True)))


def drop_claims(connection: Connection, batch_id: str, leads: Sequence[LeadUid]) -> None:
    """End the batch's claims on some leads."""
    connection.execute(_DROP, {"of_batch": batch_id, "leads": list(leads)})


def release_claims(connection: Connection, batch_id: str) -> None:
    """End the claims of a batch."""
    connection.execute(_RELEASE, {"of_batch": batch_id})
