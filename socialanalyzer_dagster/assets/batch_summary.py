"""The `batch_summary` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, refusals_told
from socialanalyzer_dagster.assets.synced_leads import synced_leads
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.summaries import refresh_summary
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[synced_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python"},
    tags={"stage": "summary", "spends": "no"},
    code_version=CODE_VERSION,
)
def batch_summary(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """The batch in plain sentences: what was found, known, screened out and why, scored, synced, spent and saved.

    Also for failed and stopped batches; written from counters only, so every number in it is in the database.
    """
    with refusals_told(context), pipeline.workplace(context.instance) as workplace:
        summary = refresh_summary(workplace, find_batch(workplace, context.partition_key))
    context.log.info(summary.text())
    return dg.MaterializeResult(metadata={"summary": dg.MetadataValue.md(summary.markdown())})
