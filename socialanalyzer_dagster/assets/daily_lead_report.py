"""The `daily_lead_report` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.daily_work import GROUP, day_of
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import PLATFORM_DAYS
from socialanalyzer_dagster.pipeline.daily_reports import DailyReport, keep_report
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=PLATFORM_DAYS,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python"},
    tags={"spends": "no"},
    code_version=CODE_VERSION,
)
def daily_lead_report(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """What a UTC day brought on a platform against its target: leads, tiers, money, and seconds of work per lead.

    Counted from outcomes and ledger whenever it is materialized, so a missed day can be reported later. The numbers are
    plotted over time on this page.
    """
    with pipeline.workplace(context.instance) as workplace:
        report = keep_report(workplace, day_of(context))
    return dg.MaterializeResult(metadata=report_metadata(report))


def report_metadata(report: DailyReport) -> dict[str, dg.MetadataValue]:
    """Numbers for the plots; what nobody measured is left out."""
    counts = {"target": report.target, "found": report.found, "new": report.new}
    counts |= {stage.value: report.passed.get(stage, 0) for stage in Stage if stage is not Stage.DISCOVERED}
    counts |= {f"tier_{tier}": number for tier, number in report.tiers.items()}
    amounts = {"spend_usd": report.spend_micros / MICROS_PER_USD}
    if report.cost_micros is not None:
        amounts["cost_per_scored_lead_usd"] = report.cost_micros / MICROS_PER_USD
    amounts |= {name: value for name, value in report.completed.items() if not name.endswith("_micros")}
    amounts |= {f"{stage}_seconds_per_lead": value for stage, value in report.seconds.items()}
    return {name: dg.MetadataValue.int(number) for name, number in counts.items()} | {
        name: dg.MetadataValue.float(float(amount)) for name, amount in amounts.items()
    }
