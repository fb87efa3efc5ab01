"""The `analyzed_leads` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.enriched_leads import enriched_leads
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, bring_up_to_date
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[enriched_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "openai"},
    tags={"stage": "analyzed", "spends": "yes"},
    code_version=CODE_VERSION,
)
def analyzed_leads(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Leads whose content a language model has read: what they make, what it shows about them, their community.

    Every answer fits its schema and is kept as evidence; an answer that does not fit is a failed lead, never a guess.
    """
    return bring_up_to_date(context, pipeline, Stage.ANALYZED)
