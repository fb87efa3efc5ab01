"""What batches came to, several at once: what baselines and daily reports are made from (spec 14.3, I-54)."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy import Connection, Float, String, bindparam, cast, func, select

from socialanalyzer_dagster.domain.batch_metrics import BatchTotals, StageTotals
from socialanalyzer_dagster.domain.types import STAGES, PlatformKey, Stage
from socialanalyzer_dagster.storage import batch_figures, searches
from socialanalyzer_dagster.storage.batch_figures import StageJudgements
from socialanalyzer_dagster.storage.batches import COMPLETED
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import BatchStageRow, LeadBatchRow
from socialanalyzer_dagster.storage.models_results import ScoreRow

_Judged: TypeAlias = Mapping[str, Mapping[Stage, StageJudgements]]
_BATCHES = bindparam("batches", expanding=True, type_=String())
_COMPLETED = (
    select(LeadBatchRow.batch_id, LeadBatchRow.preset_id, LeadBatchRow.finished_at)
    .where(
        LeadBatchRow.platform == bindparam("platform"),
        LeadBatchRow.status.in_(COMPLETED),
        LeadBatchRow.capped.is_(False),
        LeadBatchRow.canary.is_(None),
        LeadBatchRow.finished_at >= bindparam("since"),
        LeadBatchRow.finished_at < bindparam("until"),
    )
    .order_by(LeadBatchRow.finished_at, LeadBatchRow.batch_id)
)
_BUSY = select(BatchStageRow.batch_id, BatchStageRow.stage, BatchStageRow.busy_milliseconds).where(
    BatchStageRow.batch_id.in_(_BATCHES)
)
_SCORE = cast(func.nullif(ScoreRow.lead_score, ""), Float)
_SCORES = (
    select(
        ScoreRow.batch_id,
        ScoreRow.tier,
        func.count(),
        func.count(_SCORE),
        func.coalesce(func.sum(_SCORE), 0.0),
        func.coalesce(func.sum(_SCORE * _SCORE), 0.0),
    )
    .join(LeadBatchRow, LeadBatchRow.batch_id == ScoreRow.batch_id)
    .where(ScoreRow.batch_id.in_(_BATCHES), ScoreRow.policy_hash == LeadBatchRow.policy_hash)
    .group_by(ScoreRow.batch_id, ScoreRow.tier)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierBatch:
    """A batch that completed before another one."""

    batch_id: str
    preset_id: str | None
    finished_at: datetime


def completed_between(
    connection: Connection, platform: PlatformKey, since: datetime, until: datetime
) -> list[EarlierBatch]:
    """The platform's batches that completed in [since, until), the oldest first, without capped and canary ones."""
    rows = connection.execute(_COMPLETED, {"platform": platform, "since": since, "until": until})
    return [
        EarlierBatch(batch_id=batch_id, preset_id=preset_id, finished_at=finished_at)
        for batch_id, preset_id, finished_at in rows
        if finished_at is not None
    ]


def totals_of(connection: Connection, batch_ids: Sequence[str]) -> dict[str, BatchTotals]:
    """Totals by batch, every id of them: five queries, however many batches there are."""
    found = _stages_of(connection, batch_ids, STAGES, batch_figures.judged_counts(connection, batch_ids))
    costs = batch_figures.costs(connection, batch_ids)
    scores = _scores(connection, batch_ids)
    return {
        batch_id: replace(
            totals,
            mean_score=scores[batch_id].mean if batch_id in scores else None,
            score_spread=scores[batch_id].spread if batch_id in scores else None,
            tiers=scores[batch_id].tiers if batch_id in scores else {},
            cost_micros=sum(costs.get(batch_id, {}).values()),
        )
        for batch_id, totals in found.items()
    }


def stage_totals_of(connection: Connection, batch_ids: Sequence[str], stage: Stage) -> dict[str, BatchTotals]:
    """As `totals_of`, but of one stage and what was found, without scores and costs: three queries instead of five."""
    judged = batch_figures.judged_counts(connection, batch_ids, stage)
    return _stages_of(connection, batch_ids, (stage,), judged)


def _stages_of(
    connection: Connection, batch_ids: Sequence[str], stages: Sequence[Stage], judged: _Judged
) -> dict[str, BatchTotals]:
    runs = searches.runs_of(connection, batch_ids)
    busy = busy_seconds(connection, batch_ids)
    return {
        batch_id: BatchTotals(
            found=runs[batch_id].total_found if batch_id in runs else 0,
            new=judged.get(batch_id, {}).get(Stage.DISCOVERED, StageJudgements()).passed,
            stages={
                stage: StageTotals(
                    judged=of_stage.judged,
                    passed=of_stage.passed,
                    failed=of_stage.failed,
                    busy_seconds=busy.get(batch_id, {}).get(stage, 0.0),
                )
                for stage in stages
                for of_stage in (judged.get(batch_id, {}).get(stage, StageJudgements()),)
            },
        )
        for batch_id in batch_ids
    }


def busy_seconds(connection: Connection, batch_ids: Sequence[str]) -> dict[str, dict[Stage, float]]:
    """Seconds of work on leads by batch and stage, all leads of the stage together."""
    found: dict[str, dict[Stage, float]] = defaultdict(dict)
    for part in parts(batch_ids):
        rows = connection.execute(_BUSY, {"batches": part})
        for batch_id, stage, milliseconds in rows:
            found[batch_id][Stage(stage)] = milliseconds / 1000
    return found


class _OfTier(NamedTuple):
    tier: str | None
    leads: int
    with_score: int
    total: float
    squares: float


class _Scores(NamedTuple):
    mean: float | None
    spread: float | None
    tiers: Mapping[str, int]


def _scores(connection: Connection, batch_ids: Sequence[str]) -> dict[str, _Scores]:
    """Mean, standard deviation and tiers of the scores that decided; what a person's erasure left has a tier alone."""
    groups: dict[str, list[_OfTier]] = defaultdict(list)
    for part in parts(batch_ids):
        rows = connection.execute(_SCORES, {"batches": part})
        for batch_id, *facts in rows:
            groups[batch_id].append(_OfTier(*facts))
    return {batch_id: _summed(rows) for batch_id, rows in groups.items()}


def _summed(rows: Sequence[_OfTier]) -> _Scores:
    number = sum(row.with_score for row in rows)
    tiers = {row.tier: row.leads for row in rows if row.tier is not None}
    if not number:
        return _Scores(None, None, tiers)
    mean = sum(row.total for row in rows) / number
    variance = sum(row.squares for row in rows) / number - mean**2
    return _Scores(mean, math.sqrt(max(variance, 0.0)), tiers)
