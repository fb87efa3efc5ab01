"""What a batch will cost, from measured batches where there are enough of them (spec 12.2)."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.estimate import BatchFigures, Estimate, Rates, current_rates
from socialanalyzer_dagster.domain.money import micros_from_usd
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import PlatformKey, Stage
from socialanalyzer_dagster.storage import batch_figures, batch_totals, completed_batches, searches


def measured_rates(connection: Connection, platform: PlatformKey, *, policy: Policy, now: datetime) -> Rates:
    """Rates of the platform's completed batches of the last days, or the policy's defaults; the source says which."""
    since = now - timedelta(days=policy.estimate.measured_days)
    figures = completed_figures(connection, completed_batches.completed_since(connection, platform, since))
    return current_rates(platform, figures, now=now, policy=policy.estimate)


def completed_figures(connection: Connection, completed: list[completed_batches.Completed]) -> list[BatchFigures]:
    """Leads in, leads passed and cost and work per stage of completed batches: five queries, however many there are."""
    ids = [each.batch_id for each in completed]
    runs = searches.runs_of(connection, ids)
    judged = batch_figures.judged_counts(connection, ids)
    costs = batch_figures.costs(connection, ids)
    busy = batch_totals.busy_seconds(connection, ids)
    return [
        BatchFigures(
            finished_at=each.finished_at,
            is_list=each.is_list,
            entered={
                **{stage: of_stage.judged for stage, of_stage in judged.get(each.batch_id, {}).items()},
                Stage.DISCOVERED: runs[each.batch_id].total_found if each.batch_id in runs else 0,
            },
            passed={stage: of_stage.passed for stage, of_stage in judged.get(each.batch_id, {}).items()},
            cost_micros=costs.get(each.batch_id, {}),
            busy_seconds=busy.get(each.batch_id, {}),
        )
        for each in completed
    ]


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """The stored and printed form: leads, micro-USD and seconds of work per stage, and where the rates come from."""
    return {
        "source": estimate.source,
        "micros": estimate.micros,
        "worst_case_micros": estimate.worst_case_micros,
        "stages": {
            str(each.stage): {
                "leads": each.leads,
                "micros": micros_from_usd(each.usd),
                "seconds_per_lead": None if each.seconds_per_lead is None else round(each.seconds_per_lead, 3),
            }
            for each in estimate.stages
        },
    }
