"""What a preview of another policy reads: recent scores and screenings, a page at a time in order of the leads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, tuple_

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.models_control import AssignmentRow, BdrEpochRow
from socialanalyzer_dagster.storage.models_crm import TierOverrideRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow, StageOutcomeRow
from socialanalyzer_dagster.storage.scores import LIVE, REDUCED

PAGE = 1000
_JUDGED = ("passed", "rejected")
_WHO = (LeadRow.platform, LeadRow.platform_id, LeadRow.handle, LeadRow.record.label("lead_record"))
_BATCH = (LeadBatchRow.partition_key, LeadBatchRow.filters, LeadBatchRow.policy_hash.label("batch_policy"))


@dataclass(frozen=True, slots=True)
class Window:
    """Judged from this instant on."""

    since: datetime


def recent_scores(database: Database, window: Window) -> Iterator[Sequence[Any]]:
    """Pages of live scores with their lead, batch, BDR and override, by lead and batch."""
    key = (ScoreRow.lead_uid, ScoreRow.batch_id)
    scores = select(*key, ScoreRow.policy_hash, ScoreRow.record, ScoreRow.scored_at).where(
        ScoreRow.kind == LIVE, ScoreRow.scored_at >= window.since
    )

    def joined(page: Any) -> Select[Any]:  # noqa: ANN401 - a subquery's columns have no names to the type checker
        return (
            select(
                *_WHO, *_BATCH, LeadRow.subscriber_kind, LeadRow.email_status, LeadBatchRow.bdr_names,
                AssignmentRow.bdr, TierOverrideRow.tier.label("override"), page,
            )
            .join(LeadRow, LeadRow.lead_uid == page.c.lead_uid)
            .join(LeadBatchRow, LeadBatchRow.batch_id == page.c.batch_id)
            .join(AssignmentRow, AssignmentRow.lead_uid == page.c.lead_uid, isouter=True)
            .join(TierOverrideRow, TierOverrideRow.lead_uid == page.c.lead_uid, isouter=True)
        )  # fmt: skip

    return _pages(database, scores, key, joined)


def recent_screenings(database: Database, window: Window) -> Iterator[Sequence[Any]]:
    """Pages of current outcomes of screening that passed or rejected, with lead and batch, by lead and batch."""
    table = StageOutcomeRow
    key = (table.lead_uid, table.batch_id)
    outcomes = select(*key, table.result, table.code, table.detail, table.evidence_ids, table.finished_at).where(
        table.stage == Stage.SCREENED,
        table.is_current,
        table.result.in_(_JUDGED),
        table.finished_at >= window.since,
    )

    def joined(page: Any) -> Select[Any]:  # noqa: ANN401 - as above
        return (
            select(*_WHO, *_BATCH, LeadRow.reduced_at, LeadRow.erased_at, page)
            .join(LeadRow, LeadRow.lead_uid == page.c.lead_uid)
            .join(LeadBatchRow, LeadBatchRow.batch_id == page.c.batch_id)
        )

    return _pages(database, outcomes, key, joined)


def _pages(database: Database, rows: Select[Any], key: Sequence[Any], joined: Any) -> Iterator[Sequence[Any]]:  # noqa: ANN401 - a query maker
    """Cut before the join: the planner need not guess how many rows there are."""
    after: tuple[str, str] | None = None
    while True:
        wanted = rows if after is None else rows.where(tuple_(*key) > after)
        page = wanted.order_by(*key).limit(PAGE).subquery()
        with database.read() as connection:
            found = connection.execute(joined(page).order_by(page.c.lead_uid, page.c.batch_id)).all()
        if not found:
            return
        yield found
        after = (found[-1].lead_uid, found[-1].batch_id)


def reduced_scores(database: Database, window: Window) -> int:
    """Scores that decided and of which only the tier is left, so that nothing can be computed from them (spec 19.5)."""
    counted = (
        select(func.count())
        .select_from(ScoreRow)
        .join(LeadBatchRow, LeadBatchRow.batch_id == ScoreRow.batch_id)
        .where(ScoreRow.kind == REDUCED, ScoreRow.scored_at >= window.since)
        .where(ScoreRow.policy_hash == LeadBatchRow.policy_hash)
    )
    with database.read() as connection:
        return connection.execute(counted).scalar_one()


def dealing_epoch(database: Database) -> int | None:
    """The newest epoch of the roster; None before anybody was on it."""
    with database.read() as connection:
        return connection.execute(select(func.max(BdrEpochRow.epoch))).scalar_one()
