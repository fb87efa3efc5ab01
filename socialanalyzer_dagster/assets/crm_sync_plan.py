"""The `crm_sync_plan` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.plan_metadata import plan_metadata
from socialanalyzer_dagster.assets.question_metadata import question_metadata, waiting_stage
from socialanalyzer_dagster.assets.scored_leads import scored_leads
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, GROUP, OWNERS, with_batch
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.crm_plan import make_plan
from socialanalyzer_dagster.pipeline.question_view import question_of_batch
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[scored_leads],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "hubspot"},
    tags={"stage": "synced", "spends": "no"},
    code_version=CODE_VERSION,
)
def crm_sync_plan(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """What the CRM write would do, contact by contact and field by field; nothing is written here.

    Each lead that passed scored is one row: create, update, unchanged, held or rejected, with its reason. A person
    approves exactly this plan, by its hash; a changed plan must be approved again.
    """
    report = with_batch(context, pipeline, make_plan)
    context.log.info(report.sentence)
    with pipeline.workplace(context.instance) as workplace:
        shown, asked = plan_metadata(report, workplace), question_of_batch(workplace, context.partition_key)
    if asked is not None:
        context.log_event(waiting_stage(context.partition_key, asked))
    return dg.MaterializeResult(metadata={**shown, **question_metadata(asked)})
