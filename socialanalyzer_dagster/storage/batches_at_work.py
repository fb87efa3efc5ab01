"""Which batches may still read or write about a lead: the one place that says so to erasure and retention (I-51).

A batch that `has_ended` needs nothing. One that is `at rest` reads no stored answer any more. A `search` that goes on
reads its pages again. What a running stage holds in memory is written whatever is deleted meanwhile.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.batches import TERMINAL
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, BatchStageRow, LeadBatchRow

_AT_REST = (*TERMINAL, "awaiting_approval")
"""Statuses in which no stage may ask for a stored answer; a batch that waits for a decision has left its stages."""


def _in_status(batch_id: Any, statuses: Collection[str]) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    inside = select(LeadBatchRow.batch_id).where(LeadBatchRow.status.in_(statuses)).scalar_subquery()
    within: ColumnElement[bool] = batch_id.in_(inside)
    return within


def has_ended(batch_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    """The batch has ended, or there is none: a call of no batch is over at once."""
    return or_(batch_id.is_(None), _in_status(batch_id, TERMINAL))


def is_at_rest(batch_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    """No stage of the batch asks for a stored answer now."""
    return _in_status(batch_id, _AT_REST)


def is_searched(batch_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    """The batch's discovery is finished: it reads its pages never again."""
    finished = select(BatchStageRow.batch_id).where(
        BatchStageRow.stage == Stage.DISCOVERED, BatchStageRow.finished_at.is_not(None)
    )
    searched: ColumnElement[bool] = batch_id.in_(finished.scalar_subquery())
    return searched


def leads_in_use(connection: Connection, leads: Sequence[str]) -> frozenset[str]:
    """Those of the leads that a batch which has not ended may still need."""
    return _in_batches(connection, leads, LeadBatchRow.status.not_in(TERMINAL))


def leads_at_work(connection: Connection, leads: Sequence[str], running: Collection[str]) -> frozenset[str]:
    """Those of the leads about which a batch may still write: in a `running` status, or half-way through its search."""
    searching = and_(LeadBatchRow.status.not_in(TERMINAL), ~is_searched(LeadBatchRow.batch_id))
    return _in_batches(connection, leads, or_(LeadBatchRow.status.in_(running), searching))


def searches(connection: Connection, batch_ids: Sequence[str], *, ended: bool) -> list[str]:
    """Those of the batches that did not finish their search, and have ended or have not."""
    over = LeadBatchRow.status.in_(TERMINAL)
    query = select(LeadBatchRow.batch_id).where(
        LeadBatchRow.batch_id.in_(batch_ids), over if ended else ~over, ~is_searched(LeadBatchRow.batch_id)
    )
    return list(connection.execute(query.order_by(LeadBatchRow.batch_id)).scalars())


def _in_batches(connection: Connection, leads: Sequence[str], within: ColumnElement[bool]) -> frozenset[str]:
    rows = connection.execute(
        select(BatchLeadRow.lead_uid)
        .join(LeadBatchRow, LeadBatchRow.batch_id == BatchLeadRow.batch_id)
        .where(BatchLeadRow.lead_uid.in_(leads), within)
    )
    return frozenset(rows.scalars())
