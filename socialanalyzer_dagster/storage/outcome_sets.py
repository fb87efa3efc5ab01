"""Which leads a stage works on, and how many ended how (spec 2.2, 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from socialanalyzer_dagster.domain.outcomes import GOES_ON, Result
from socialanalyzer_dagster.domain.types import STAGES, LeadUid, Stage
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadClaimRow
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow

UPSTREAM = "upstream_"
LATEST_POSITION = 10**9
OF_BATCH = bindparam("of_batch", type_=String())
"""The batch that a statement is about: statements are put together once, which takes as long as running them."""


def goes_on(row: type[StageOutcomeRow], stage: Stage) -> ColumnElement[bool]:
    """True for outcomes whose lead enters the next stage; one skipped without an address to write to does not (2.3)."""
    codes = [code for earlier, code in GOES_ON if earlier is stage]
    lacks = func.coalesce(row.detail["without_email"].as_boolean(), false())
    return or_(row.result == Result.PASSED, and_(row.result == Result.SKIPPED, row.code.in_(codes), ~lacks))


def is_upstream(row: type[StageOutcomeRow]) -> ColumnElement[bool]:
    """The outcome of a lead that did not reach its stage."""
    return and_(row.result == Result.SKIPPED, row.code.startswith(UPSTREAM, autoescape=True))


def reached(stage: Stage) -> Select[str, int]:
    """Rows (lead_uid, position) of the leads of `OF_BATCH` that reached a stage: all, or those that went on before."""
    query = select(BatchLeadRow.lead_uid, BatchLeadRow.position).where(BatchLeadRow.batch_id == OF_BATCH)
    previous = stage.previous
    if previous is None:
        return query
    before = aliased(StageOutcomeRow)
    return query.join(
        before,
        and_(
            before.batch_id == BatchLeadRow.batch_id,
            before.lead_uid == BatchLeadRow.lead_uid,
            before.stage == previous,
            before.is_current,
            goes_on(before, previous),
        ),
    )


def current(stage: Stage, lead: Any) -> Select[int]:  # noqa: ANN401 - a column of any select
    """The outcome that a lead of `OF_BATCH` has at a stage now."""
    return select(StageOutcomeRow.id).where(
        StageOutcomeRow.batch_id == OF_BATCH,
        StageOutcomeRow.stage == stage,
        StageOutcomeRow.lead_uid == lead,
        StageOutcomeRow.is_current,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Leads a stage may work on now: reached it, and have no outcome there or one to attempt again.

    `within` limits them to positions up to a number (canary).
    """

    batch_id: str
    stage: Stage
    within: int = LATEST_POSITION


def _pending(stage: Stage) -> Select[str, int]:
    """Rows (lead_uid, position): not claimed by another batch, and not judged by the next stage already."""
    within = bindparam("within", type_=Integer())
    arrived = reached(stage).subquery()
    final = current(stage, arrived.c.lead_uid).where(~StageOutcomeRow.retryable, ~is_upstream(StageOutcomeRow))
    foreign = select(LeadClaimRow.lead_uid).where(
        LeadClaimRow.lead_uid == arrived.c.lead_uid, LeadClaimRow.batch_id != OF_BATCH
    )
    query = select(arrived.c.lead_uid, arrived.c.position).where(
        arrived.c.position <= within, ~exists(final), ~exists(foreign)
    )
    following = STAGES[STAGES.index(stage) + 1 :][:1]
    if not following:
        return query
    further = current(following[0], arrived.c.lead_uid).where(~is_upstream(StageOutcomeRow))
    return query.where(~exists(further))


def count_pending(connection: Connection, pending: Pending) -> int:
    """How many leads the stage would work on."""
    bounds = {"of_batch": pending.batch_id, "within": pending.within}
    return connection.execute(_count(pending.stage), bounds).scalar_one()


def pending_window(connection: Connection, pending: Pending, *, after: int, limit: int) -> list[tuple[LeadUid, int]]:
    """The next leads in position order after a position."""
    bounds = {"of_batch": pending.batch_id, "within": pending.within, "after": after, "most": limit}
    return [(LeadUid(uid), position) for uid, position in connection.execute(_window(pending.stage), bounds)]


@cache
def _count(stage: Stage) -> Select[int]:
    return select(func.count()).select_from(_pending(stage).subquery())


@cache
def _window(stage: Stage) -> Select[str, int]:
    """The query of every window of a stage, put together once."""
    rows = _pending(stage).subquery()
    return (
        select(rows.c.lead_uid, rows.c.position)
        .where(rows.c.position > bindparam("after"))
        .order_by(rows.c.position)
        .limit(bindparam("most"))
    )


def forget_upstream(connection: Connection, batch_id: str) -> None:
    """Remove the `upstream_*` rows of a batch that goes on again: they say where a way ended, not what was done."""
    connection.execute(
        delete(StageOutcomeRow).where(StageOutcomeRow.batch_id == batch_id, is_upstream(StageOutcomeRow))
    )


_COUNTS = (
    select(
        StageOutcomeRow.stage,
        StageOutcomeRow.result,
        StageOutcomeRow.code,
        func.count(),
        func.sum(case((StageOutcomeRow.retryable, 1), else_=0)),
        func.sum(
            case(
                (or_(*(and_(StageOutcomeRow.stage == each, goes_on(StageOutcomeRow, each)) for each in STAGES)), 1),
                else_=0,
            )
        ),
    )
    .where(StageOutcomeRow.batch_id == OF_BATCH, StageOutcomeRow.is_current)
    .group_by(StageOutcomeRow.stage, StageOutcomeRow.result, StageOutcomeRow.code)
)
"""Put together once: it is asked at the beginning and end of every stage, by sensors and by every view of a batch."""


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many current outcomes of one kind a stage has, and what they cost."""

    stage: Stage
    result: Result
    code: str | None
    leads: int
    retryable: int
    goes_on: int


def outcome_counts(connection: Connection, batch_id: str) -> list[OutcomeCount]:
    """Current outcomes of a batch by stage, result and code: the one source of every counter (I-18)."""
    rows = connection.execute(_COUNTS, {"of_batch": batch_id})
    return [
        OutcomeCount(Stage(stage), Result(result), code, leads, int(retryable), int(onward))
        for stage, result, code, leads, retryable, onward in rows
    ]


_LEADS = select(func.count()).select_from(BatchLeadRow).where(BatchLeadRow.batch_id == OF_BATCH)


def lead_count(connection: Connection, batch_id: str) -> int:
    """Leads of a batch, whatever became of them."""
    return connection.execute(_LEADS, {"of_batch": batch_id}).scalar_one()


def position_of_rank(connection: Connection, batch_id: str, stage: Stage, rank: int) -> int | None:
    """Position of the n-th lead that reached a stage, in batch order; None when fewer did."""
    return connection.execute(_at_rank(stage), {"of_batch": batch_id, "before": rank - 1}).scalar_one_or_none()


@cache
def _at_rank(stage: Stage) -> Select[int]:
    arrived = reached(stage).subquery()
    return select(arrived.c.position).order_by(arrived.c.position).offset(bindparam("before")).limit(1)


@cache
def _waits(stage: Stage) -> Select[Any]:
    return select(StageOutcomeRow.detail).where(
        StageOutcomeRow.batch_id == OF_BATCH,
        StageOutcomeRow.stage == stage,
        StageOutcomeRow.code == "provider_unavailable",
        StageOutcomeRow.is_current,
        ~goes_on(StageOutcomeRow, stage),
    )


def waits_of(connection: Connection, batch_id: str, stage: Stage) -> list[Mapping[str, Any]]:
    """Details (vendor, reason, until) of the leads whose way ended at a stage because a vendor was away."""
    return list(connection.execute(_waits(stage), {"of_batch": batch_id}).scalars())


def waits_for_vendor(connection: Connection, batch_id: str) -> bool:
    """True when a lead of the batch ends where a vendor was away; one that went on all the same waits no more (2.3)."""
    counts = outcome_counts(connection, batch_id)
    return any(count.code == "provider_unavailable" and count.leads > count.goes_on for count in counts)
