"""How far leads came in the batches they are or were in (spec 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from socialanalyzer_dagster.domain.outcomes import GOES_ON, Result
from socialanalyzer_dagster.domain.types import STAGES, LeadUid, Stage
from socialanalyzer_dagster.storage.models_results import StageOutcomeRow
from socialanalyzer_dagster.storage.outcome_sets import is_upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The furthest current outcome of one lead in one batch, `upstream_*` rows apart."""

    batch_id: str
    lead: LeadUid
    stage: Stage
    goes_on: bool
    retryable: bool


def standings(connection: Connection, leads: Sequence[LeadUid]) -> list[Standing]:
    """How far these leads came in each of their batches, ended batches among them."""
    rows = connection.execute(
        select(
            StageOutcomeRow.batch_id,
            StageOutcomeRow.lead_uid,
            StageOutcomeRow.stage,
            StageOutcomeRow.result,
            StageOutcomeRow.code,
            StageOutcomeRow.retryable,
        ).where(StageOutcomeRow.lead_uid.in_(leads), StageOutcomeRow.is_current, ~is_upstream(StageOutcomeRow))
    )
    furthest: dict[tuple[str, str], Standing] = {}
    for row in sorted(rows, key=lambda row: STAGES.index(Stage(row.stage))):
        stage = Stage(row.stage)
        furthest[row.batch_id, row.lead_uid] = Standing(
            batch_id=row.batch_id,
            lead=LeadUid(row.lead_uid),
            stage=stage,
            goes_on=row.result == Result.PASSED or (stage, row.code) in GOES_ON,
            retryable=row.retryable,
        )
    return list(furthest.values())
