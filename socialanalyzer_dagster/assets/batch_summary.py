"""The `batch_summary` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.interrupts import run_settling
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, refusals_told
from socialanalyzer_dagster.assets.synced_leads import synced_leads
from socialanalyzer_dagster.domain.summary import Summary
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.polishing import told_summary
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[synced_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python"},
    tags={"stage": "summary", "spends": "optional"},
    code_version=CODE_VERSION,
)
def batch_summary(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """The batch in plain sentences: what was found, known, screened out and why, scored, synced, spent and saved.

    Also for failed and stopped batches; written from counters only, so every number in it is in the database. Where the
    policy says so (`llm.polish_summaries`), a model rewords it, with the same numbers.
    """

    async def told() -> Summary:
        async with pipeline.session(context.instance) as session:
            return await told_summary(session, context.partition_key, run_id=context.run.run_id)

    with refusals_told(context):
        summary = run_settling(told)
    context.log.info(summary.text())
    return dg.MaterializeResult(metadata={"summary": dg.MetadataValue.md(summary.markdown())})
