"""The `synced_leads` asset."""

import asyncio
from dataclasses import replace

import dagster as dg

from socialanalyzer_dagster.assets.crm_sync_plan import crm_sync_plan
from socialanalyzer_dagster.assets.plan_metadata import sync_metadata
from socialanalyzer_dagster.assets.report_metadata import stage_sentence
from socialanalyzer_dagster.assets.stage_work import (
    CODE_VERSION,
    GROUP,
    OWNERS,
    AboutStage,
    about_stage,
    teller,
    with_batch,
)
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.crm_apply import SyncReport, apply_plan
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.rule_run import apply_rules
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=LEAD_BATCHES,
    deps=[crm_sync_plan],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "hubspot"},
    tags={"stage": "synced", "spends": "no"},
    code_version=CODE_VERSION,
)
def synced_leads(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Leads written to the CRM from the approved plan; refused for a plan nobody approved, however it is launched.

    Every row of the plan ends created, updated, unchanged, held, rejected or failed. Writing twice changes nothing.
    """

    async def work(batch: OpenBatch) -> tuple[SyncReport, AboutStage]:
        report = await apply_plan(batch, teller(context))
        rules = await asyncio.to_thread(apply_rules, batch, Stage.SYNCED)
        report = replace(report, stage=replace(report.stage, rules=rules.sentences))
        return report, about_stage(batch, Stage.SYNCED)

    report, about = with_batch(context, pipeline, work)
    context.log.info(stage_sentence(report.stage))
    return dg.MaterializeResult(metadata=sync_metadata(report, about.examples, about.policy_version))
