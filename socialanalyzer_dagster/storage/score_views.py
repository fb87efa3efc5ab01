"""Read-only views of scores: the one that decided, those of other policies, and the batches they belong to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select, tuple_

from socialanalyzer_dagster.domain.scoring import BELOW_MIN_SCORE
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_control import PolicyRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow, LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow
from socialanalyzer_dagster.storage.scores import LIVE, RESCORED

_NEWEST_BATCH = (LeadBatchRow.created_at.desc(), LeadBatchRow.partition_key.desc())


def score_of_lead(connection: Connection, lead_uid: str) -> Any | None:  # noqa: ANN401 - a database row
    """The newest live score of a lead with its batch and policy."""
    return connection.execute(
        select(ScoreRow.record, ScoreRow.policy_hash, PolicyRow.number.label("policy"), LeadBatchRow.partition_key)
        .join(LeadBatchRow, LeadBatchRow.batch_id == ScoreRow.batch_id)
        .join(PolicyRow, PolicyRow.policy_hash == ScoreRow.policy_hash, isouter=True)
        .where(ScoreRow.lead_uid == lead_uid, ScoreRow.kind == LIVE)
        .order_by(*_NEWEST_BATCH)
        .limit(1)
    ).one_or_none()


def rescored_of_lead(connection: Connection, lead_uid: str) -> Sequence[Any]:
    """What other policies made of the lead's judgements, newest batch first and by version."""
    return connection.execute(
        select(
            LeadBatchRow.partition_key,
            PolicyRow.number.label("policy"),
            ScoreRow.policy_hash,
            PolicyRow.note,
            ScoreRow.lead_score,
            ScoreRow.tier,
            ScoreRow.scored_at,
        )
        .join(LeadBatchRow, LeadBatchRow.batch_id == ScoreRow.batch_id)
        .join(PolicyRow, PolicyRow.policy_hash == ScoreRow.policy_hash, isouter=True)
        .where(ScoreRow.lead_uid == lead_uid, ScoreRow.kind == RESCORED)
        .order_by(*_NEWEST_BATCH, PolicyRow.number)
    ).all()


def rescored_tiers(connection: Connection, batch_id: str) -> dict[int, dict[str, int]]:
    """Leads by tier under every other policy the batch was re-scored under, by version."""
    rows = connection.execute(
        select(PolicyRow.number, ScoreRow.tier, func.count())
        .join(PolicyRow, PolicyRow.policy_hash == ScoreRow.policy_hash)
        .where(ScoreRow.batch_id == batch_id, ScoreRow.kind == RESCORED)
        .group_by(PolicyRow.number, ScoreRow.tier)
        .order_by(PolicyRow.number, ScoreRow.tier)
    )
    found: dict[int, dict[str, int]] = {}
    for number, tier, leads in rows:
        found.setdefault(number, {})[tier or BELOW_MIN_SCORE] = leads
    return found


def live_scores(
    connection: Connection, *, batch_id: str | None, after: tuple[str, str] | None, limit: int
) -> Sequence[Any]:
    """Live scores with their leads in order of the scores' key, after a cursor of (lead_uid, batch_id)."""
    key = (ScoreRow.lead_uid, ScoreRow.batch_id)
    scores = select(*key, ScoreRow.policy_hash, ScoreRow.record).where(ScoreRow.kind == LIVE)
    if batch_id is not None:
        scores = scores.where(ScoreRow.batch_id == batch_id)
    if after is not None:
        scores = scores.where(tuple_(*key) > after)
    page = scores.order_by(*key).limit(limit).subquery()  # cut before the join: the planner need not guess how many
    return connection.execute(
        select(LeadRow.platform, LeadRow.platform_id, LeadRow.handle, LeadBatchRow.partition_key, page)
        .join(LeadRow, LeadRow.lead_uid == page.c.lead_uid)
        .join(LeadBatchRow, LeadBatchRow.batch_id == page.c.batch_id)
        .order_by(page.c.lead_uid, page.c.batch_id)
    ).all()


def scored_batches(connection: Connection, since: datetime) -> list[BatchKey]:
    """Keys of the batches made from this instant on that have live scores, oldest first."""
    scores = exists().where(ScoreRow.batch_id == LeadBatchRow.batch_id, ScoreRow.kind == LIVE)
    found = select(LeadBatchRow.partition_key).where(LeadBatchRow.created_at >= since, scores)
    ordered = found.order_by(LeadBatchRow.created_at, LeadBatchRow.partition_key)
    return [BatchKey(key) for key in connection.execute(ordered).scalars()]


def batch_ids(connection: Connection, keys: Sequence[BatchKey]) -> dict[BatchKey, str]:
    """Ids of those batches that exist, by key."""
    found: dict[BatchKey, str] = {}
    for part in parts(keys):
        rows = connection.execute(
            select(LeadBatchRow.partition_key, LeadBatchRow.batch_id).where(LeadBatchRow.partition_key.in_(part))
        )
        found |= {BatchKey(key): batch_id for key, batch_id in rows}
    return found
