"""The `expired_data_purge` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.old_runs import delete_old_runs
from socialanalyzer_dagster.assets.privacy_work import GROUP, counts_metadata, with_parts
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.pipeline.privacy_parts import PrivacyParts
from socialanalyzer_dagster.pipeline.retention import purge
from socialanalyzer_dagster.resources.privacy import PrivacyResource


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python"}, tags={"spends": "no"}, code_version=CODE_VERSION)
def expired_data_purge(context: dg.AssetExecutionContext, privacy: PrivacyResource) -> dg.MaterializeResult[None]:
    """Removes what is past its retention period, and finishes erasures that had to wait.

    Media after 7 days, raw pages and answers after 30, leads that were not synced after 180, synced leads without CRM
    activity after 730, content of possible minors within 24 hours, logs of runs and batches after 90 days (the policy's
    `retention`). Nothing an active batch uses is touched; ledger, fingerprints, history and audit stay.
    """

    async def work(parts: PrivacyParts) -> tuple[dict[str, int], int]:
        return dict(await purge(parts)), parts.policy.retention.log_days

    counts, log_days = with_parts(context.instance, privacy, work)
    counts["run_logs"] = delete_old_runs(context.instance, days=log_days)
    return dg.MaterializeResult(metadata=counts_metadata(counts))
