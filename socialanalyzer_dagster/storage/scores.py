"""Stored scores: one per lead, batch and policy, with everything needed to compute it again for $0 (spec 10.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_results import ScoreRow

LIVE = "live"
RESCORED = "rescored"
REDUCED = "reduced"
"""Of a person whose content is gone: the tier alone, which the batch's figures count (spec 19.5, I-55)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresOf:
    """Whose scores: a batch under a policy; `kind` is live or rescored."""

    batch_id: str
    policy_hash: str
    kind: str = LIVE


def write_scores(connection: Connection, of: ScoresOf, scores: Mapping[LeadUid, ScoreRecord], now: datetime) -> None:
    """Store scores; the same lead scored again under the same policy in the same batch replaces its row."""
    rows = [
        {
            "lead_uid": uid,
            "batch_id": of.batch_id,
            "policy_hash": of.policy_hash,
            "kind": of.kind,
            "lead_score": f"{score.lead_score:.4f}",
            "base": f"{score.base:.4f}",
            "tier": score.tier,
            "record": score.model_dump(mode="json"),
            "scored_at": now,
        }
        for uid, score in scores.items()
    ]
    if not rows:
        return
    statement = upsert(connection, ScoreRow)
    changed = ("kind", "lead_score", "base", "tier", "record", "scored_at")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["lead_uid", "batch_id", "policy_hash"],
            set_={name: statement.excluded[name] for name in changed},
        ),
        rows,
    )


def previous_scores(connection: Connection, batch_id: str, leads: Sequence[LeadUid]) -> dict[LeadUid, ScoreRecord]:
    """Each lead's newest live score of another batch (spec 10.4): the batch's own is no earlier judgement."""
    found: dict[LeadUid, ScoreRecord] = {}
    for part in parts(leads):
        rows = connection.execute(
            select(ScoreRow.lead_uid, ScoreRow.record)
            .where(ScoreRow.lead_uid.in_(part), ScoreRow.kind == LIVE, ScoreRow.batch_id != batch_id)
            .order_by(ScoreRow.scored_at, ScoreRow.batch_id)
        )
        found |= {LeadUid(uid): ScoreRecord.model_validate(record) for uid, record in rows}
    return found


def tier_counts(connection: Connection, of: ScoresOf) -> dict[str, int]:
    """Leads by tier; those below the minimum have none. Reduced scores count as what they were."""
    kinds = (of.kind, REDUCED)
    rows = connection.execute(
        select(ScoreRow.tier, func.count())
        .where(ScoreRow.batch_id == of.batch_id, ScoreRow.policy_hash == of.policy_hash, ScoreRow.kind.in_(kinds))
        .group_by(ScoreRow.tier)
        .order_by(ScoreRow.tier)
    )
    return {tier: count for tier, count in rows if tier is not None}
