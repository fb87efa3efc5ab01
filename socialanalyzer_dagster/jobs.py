"""The jobs of batches: up to the plan, the CRM write after a person said yes, and history under another policy."""

import dagster as dg

from socialanalyzer_dagster.assets.analyzed_leads import analyzed_leads
from socialanalyzer_dagster.assets.batch_summary import batch_summary
from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.assets.discovered_leads import discovered_leads
from socialanalyzer_dagster.assets.enriched_leads import enriched_leads
from socialanalyzer_dagster.assets.rescored_leads import rescored_leads
from socialanalyzer_dagster.assets.scored_leads import scored_leads
from socialanalyzer_dagster.assets.screened_leads import screened_leads
from socialanalyzer_dagster.assets.synced_leads import synced_leads

UP_TO_PLAN = (discovered_leads, screened_leads, enriched_leads, analyzed_leads, scored_leads, crm_sync_plan)

lead_batch_job = dg.define_asset_job(
    "lead_batch_job",
    selection=dg.AssetSelection.assets(*UP_TO_PLAN),
    executor_def=dg.in_process_executor,
    description="Bring one lead batch from its search to a CRM plan that a person can approve. One run per batch.",
)

crm_sync_job = dg.define_asset_job(
    "crm_sync_job",
    selection=dg.AssetSelection.assets(synced_leads, batch_summary) | dg.AssetSelection.checks_for_assets(*UP_TO_PLAN),
    executor_def=dg.in_process_executor,
    description="Check the batch once more, write its approved plan to the CRM and summarise it.",
)

rescore_job = dg.define_asset_job(
    "rescore_job",
    selection=dg.AssetSelection.assets(rescored_leads),
    executor_def=dg.in_process_executor,
    description="Re-score past batches under another policy, for $0; both results are kept.",
)
