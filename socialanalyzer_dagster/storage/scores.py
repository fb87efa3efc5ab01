"""Stored scores: one per lead, batch and policy, with everything needed to compute it again for $0 (spec 10.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, bindparam, delete, func, or_, select

from socialanalyzer_dagster.domain.scores import ScoreRecord
from socialanalyzer_dagster.domain.types import JsonObject, LeadUid
from socialanalyzer_dagster.storage.database import insert_or_update, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow

LIVE = "live"
RESCORED = "rescored"
REDUCED = "reduced"
"""Of a person whose content is gone: the tier alone, which the batch's figures count (spec 19.5, I-55)."""
_KEYS = ("lead_uid", "batch_id", "policy_hash")
_CHANGED = ("kind", "lead_score", "base", "tier", "record", "scored_at")
_SCORES = table_of(ScoreRow)
_PREVIOUS = (
    select(_SCORES.c.lead_uid, _SCORES.c.record)
    .where(
        _SCORES.c.lead_uid.in_(bindparam("leads", expanding=True)),
        _SCORES.c.kind == LIVE,
        _SCORES.c.batch_id != bindparam("but_batch"),
    )
    .order_by(_SCORES.c.scored_at, _SCORES.c.batch_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresOf:
    """Whose scores: a batch under a policy; `kind` is live or rescored."""

    batch_id: str
    policy_hash: str
    kind: str = LIVE


@dataclass(frozen=True, slots=True)
class ScoreDocument:
    """A score with the JSON form in which it is stored and compared."""

    score: ScoreRecord
    document: JsonObject

    @classmethod
    def of(cls, score: ScoreRecord) -> Self:
        """The score with its document."""
        return cls(score, score.model_dump(mode="json"))


def write_scores(connection: Connection, of: ScoresOf, scores: Mapping[LeadUid, ScoreRecord], now: datetime) -> None:
    """Store scores; the same lead scored again under the same policy in the same batch replaces its row."""
    write_documents(connection, of, {uid: ScoreDocument.of(score) for uid, score in scores.items()}, now)


def write_documents(
    connection: Connection, of: ScoresOf, scores: Mapping[LeadUid, ScoreDocument], now: datetime
) -> None:
    """As `write_scores`, where the documents are at hand."""
    rows = [
        {
            "lead_uid": uid,
            "batch_id": of.batch_id,
            "policy_hash": of.policy_hash,
            "kind": of.kind,
            "lead_score": f"{each.score.lead_score:.4f}",
            "base": f"{each.score.base:.4f}",
            "tier": each.score.tier,
            "record": each.document,
            "scored_at": now,
        }
        for uid, each in scores.items()
    ]
    if rows:
        connection.execute(insert_or_update(connection, ScoreRow, keys=_KEYS, changed=_CHANGED), rows)


def forget_rescored_of_reduced(connection: Connection, policy_hash: str, *, batch_id: str | None) -> None:
    """Remove what a re-scoring stored of people whose content went while it ran (spec 19.5, I-55); None = of all."""
    gone = select(LeadRow.lead_uid).where(or_(LeadRow.reduced_at.is_not(None), LeadRow.erased_at.is_not(None)))
    rescored = delete(ScoreRow).where(ScoreRow.kind == RESCORED, ScoreRow.policy_hash == policy_hash)
    if batch_id is not None:
        rescored = rescored.where(ScoreRow.batch_id == batch_id)
    connection.execute(rescored.where(ScoreRow.lead_uid.in_(gone)))


def previous_scores(connection: Connection, batch_id: str, leads: Sequence[LeadUid]) -> dict[LeadUid, ScoreRecord]:
    """Each lead's newest live score of another batch (spec 10.4): the batch's own is no earlier judgement."""
    found: dict[LeadUid, ScoreRecord] = {}
    for part in parts(leads):
        rows = connection.execute(_PREVIOUS, {"but_batch": batch_id, "leads": part})
        found |= {LeadUid(uid): ScoreRecord.model_validate(record) for uid, record in rows}
    return found


_TIERS = (
    select(ScoreRow.tier, func.count())
    .where(
        ScoreRow.batch_id == bindparam("of_batch"),
        ScoreRow.policy_hash == bindparam("of_policy"),
        ScoreRow.kind.in_(bindparam("kinds", expanding=True)),
    )
    .group_by(ScoreRow.tier)
    .order_by(ScoreRow.tier)
)


def tier_counts(connection: Connection, of: ScoresOf) -> dict[str, int]:
    """Leads by tier; those below the minimum have none. Reduced scores count as what they were."""
    names = {"of_batch": of.batch_id, "of_policy": of.policy_hash, "kinds": [of.kind, REDUCED]}
    rows = connection.execute(_TIERS, names)
    return {tier: count for tier, count in rows if tier is not None}
