"""The jobs: a batch up to its plan, the CRM write after a yes, history re-scored, days planned, searches looked at."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from socialanalyzer_dagster.assets.analyzed_leads import analyzed_leads
from socialanalyzer_dagster.assets.batch_summary import batch_summary
from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.assets.daily_lead_report import daily_lead_report
from socialanalyzer_dagster.assets.discovered_leads import discovered_leads
from socialanalyzer_dagster.assets.enriched_leads import enriched_leads
from socialanalyzer_dagster.assets.recurring_searches import recurring_searches
from socialanalyzer_dagster.assets.rescored_leads import rescored_leads
from socialanalyzer_dagster.assets.saved_searches import saved_searches
from socialanalyzer_dagster.assets.scored_leads import scored_leads
from socialanalyzer_dagster.assets.screened_leads import screened_leads
from socialanalyzer_dagster.assets.search_plan import search_plan
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


def job_of(name: str, asset: dg.AssetsDefinition, description: str) -> UnresolvedAssetJobDefinition:
    """A job that materializes one asset and its checks, in its run's own process."""
    selection = dg.AssetSelection.assets(asset)
    return dg.define_asset_job(name, selection=selection, executor_def=dg.in_process_executor, description=description)


rescore_job = job_of(
    "rescore_job", rescored_leads, "Re-score past batches under another policy, for $0; both results are kept."
)
search_plan_job = job_of(
    "search_plan_job",
    search_plan,
    "Choose the searches of a day on a platform and queue them; asked for again it tops the day up.",
)
daily_report_job = job_of(
    "daily_report_job", daily_lead_report, "Count what a day brought on a platform, against its target."
)
saved_searches_job = job_of("saved_searches_job", saved_searches, "Look at how fresh every saved search still is.")
recurring_searches_job = job_of(
    "recurring_searches_job", recurring_searches, "Queue the saved searches whose own schedule says that they are due."
)
