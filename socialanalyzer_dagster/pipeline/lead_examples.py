"""A few leads of a stage, to show what its figures mean; no personal data (I-68)."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage.models_leads import BatchLeadRow, LeadRow
from socialanalyzer_dagster.storage.models_results import ScoreRow, StageOutcomeRow

EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadExample:
    """One lead by its uid, with its result at the stage and its score where it has one."""

    lead_uid: str
    audience_size: int | None
    result: str
    code: str | None
    lead_score: str | None
    tier: str | None


def lead_examples(connection: Connection, batch_id: str, stage: Stage) -> list[LeadExample]:
    """The first leads of the batch that reached the stage, in provider order."""
    rows = connection.execute(
        select(
            StageOutcomeRow.lead_uid,
            LeadRow.record,
            StageOutcomeRow.result,
            StageOutcomeRow.code,
            ScoreRow.lead_score,
            ScoreRow.tier,
        )
        .join(LeadRow, LeadRow.lead_uid == StageOutcomeRow.lead_uid)
        .join(
            BatchLeadRow,
            and_(BatchLeadRow.lead_uid == StageOutcomeRow.lead_uid, BatchLeadRow.batch_id == StageOutcomeRow.batch_id),
        )
        .join(
            ScoreRow,
            and_(
                ScoreRow.lead_uid == StageOutcomeRow.lead_uid,
                ScoreRow.batch_id == StageOutcomeRow.batch_id,
                ScoreRow.kind == "live",
            ),
            isouter=True,
        )
        .where(
            StageOutcomeRow.batch_id == batch_id,
            StageOutcomeRow.stage == stage,
            StageOutcomeRow.is_current,
        )
        .order_by(BatchLeadRow.position)
        .limit(EXAMPLES)
    )
    return [
        LeadExample(
            lead_uid=row.lead_uid,
            audience_size=row.record.get("audience_size"),
            result=row.result,
            code=row.code,
            lead_score=row.lead_score,
            tier=row.tier,
        )
        for row in rows
    ]
