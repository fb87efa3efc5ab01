"""The asset checks of a day's report: whether its target was met, and whether its leads cost what they usually do."""

import warnings

import dagster as dg

from socialanalyzer_dagster.assets.daily_lead_report import daily_lead_report
from socialanalyzer_dagster.assets.daily_work import day_of
from socialanalyzer_dagster.partitions import PLATFORM_DAYS
from socialanalyzer_dagster.pipeline.daily_reports import DayJudge, cost_in_range, judged_day, target_met
from socialanalyzer_dagster.resources.pipeline import DatabaseResource


def daily_checks() -> list[dg.AssetChecksDefinition]:
    """Both, made in a function because partitioned checks are a preview of Dagster; they warn and never block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [_check("daily_target_met", target_met), _check("cost_per_lead_in_range", cost_in_range)]


def _check(name: str, judge: DayJudge) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=name, asset=daily_lead_report, description=judge.__doc__, blocking=False, partitions_def=PLATFORM_DAYS
    )
    def check(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> dg.AssetCheckResult:
        with database.opened() as opened:
            report, judged = judged_day(opened, day_of(context), judge)
        return dg.AssetCheckResult(
            passed=judged.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=judged.sentence,
            metadata={"scored": report.scored, "target": report.target},
        )

    return check
