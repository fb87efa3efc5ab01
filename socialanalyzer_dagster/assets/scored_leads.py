"""The `scored_leads` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.analyzed_leads import analyzed_leads
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, bring_up_to_date
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[analyzed_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "openai"},
    tags={"stage": "scored", "spends": "yes"},
    code_version=CODE_VERSION,
)
def scored_leads(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Leads with five section scores, a lead score from 0 to 1 and a tier.

    The model gives the section scores, code does the arithmetic: the same evidence and policy always give the same
    score.
    """
    return bring_up_to_date(context, pipeline, Stage.SCORED)
