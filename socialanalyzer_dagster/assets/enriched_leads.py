"""The `enriched_leads` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.screened_leads import screened_leads
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, bring_up_to_date
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[screened_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python"},
    tags={"stage": "enriched", "spends": "yes"},
    code_version=CODE_VERSION,
)
def enriched_leads(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Leads with contact data: e-mail addresses, websites and profiles, each with the place it was found.

    A lead without a usable address ends here unless the policy says otherwise; a failing step never fails a lead.
    """
    return bring_up_to_date(context, pipeline, Stage.ENRICHED)
