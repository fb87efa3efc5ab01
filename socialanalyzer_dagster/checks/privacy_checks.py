"""The checks on the daily assets about people's data."""

import dagster as dg

from socialanalyzer_dagster.assets.expired_data_purge import expired_data_purge
from socialanalyzer_dagster.assets.notice_report import notice_report
from socialanalyzer_dagster.assets.old_runs import has_old_runs
from socialanalyzer_dagster.assets.privacy_work import counts_metadata, with_parts
from socialanalyzer_dagster.pipeline.notices import notice_report as counted
from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.pipeline.retention import expired_left
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.resources.privacy import PrivacyResource


@dg.asset_check(
    asset=expired_data_purge, description="Nothing past its retention period is stored, but for what batches use."
)
def nothing_expired_is_left(context: dg.AssetCheckExecutionContext, privacy: PrivacyResource) -> dg.AssetCheckResult:
    """Asks every table and the media store again; what the CRM does not answer about counts as left."""

    async def work(parts: PrivacyParts) -> tuple[dict[str, int], int]:
        return dict(await expired_left(parts)), parts.policy.retention.log_days

    left, log_days = with_parts(context.instance, privacy, work)
    left["run_logs"] = int(has_old_runs(context.instance, days=log_days))
    expired = {name: number for name, number in left.items() if number}
    sentence = ", ".join(f"{number} {name}" for name, number in sorted(expired.items())) or "nothing"
    return dg.AssetCheckResult(
        passed=not expired, description=f"Left past its period: {sentence}.", metadata=counts_metadata(left)
    )


@dg.asset_check(asset=notice_report, description="Everybody who should have been told where their data comes from was.")
def no_notice_is_overdue(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Warns while somebody waits."""
    with pipeline.workplace(context.instance) as workplace:
        counts = counted(workplace.database, workplace.clock.now())
    return dg.AssetCheckResult(
        passed=counts["overdue"] == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{counts['overdue']} notices are overdue.",
        metadata=counts_metadata(counts),
    )
