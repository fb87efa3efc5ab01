"""The `screened_leads` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.discovered_leads import discovered_leads
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, bring_up_to_date
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[discovered_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "openai"},
    tags={"stage": "screened", "spends": "yes"},
    code_version=CODE_VERSION,
)
def screened_leads(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Leads that are no obvious bad fit: active, in range, and not rejected by triage.

    Rules on known facts come first, then paid content, then a model. What is not known never counts against a lead.
    """
    return bring_up_to_date(context, pipeline, Stage.SCREENED)
