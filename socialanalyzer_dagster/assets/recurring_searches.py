"""The `recurring_searches` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.saved_searches import GROUP
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.pipeline.preset_schedules import outcome_text, scheduled_searches, schedules_markdown
from socialanalyzer_dagster.pipeline.presets import list_presets
from socialanalyzer_dagster.pipeline.recurring_searches import run_due
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"python"}, tags={"spends": "no"}, code_version=CODE_VERSION)
def recurring_searches(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Saved searches with a schedule of their own: what was due is queued as a batch, or passed over with the reason.

    One that is used up, runs already, ran today, or costs more than the caps leave is passed over, and so is one whose
    vendor cannot be called. However many times were missed, a search is queued once, and nothing that was due long ago.
    """
    with pipeline.workplace(context.instance) as workplace:
        acted = run_due(workplace)
        every = scheduled_searches(workplace, list_presets(workplace))
    for each in acted:
        context.log.info(f"{each.subject} ({each.platform}): {outcome_text(each)}; {each.reason}")
    queued = sum(each.result == "queued" for each in acted)
    return dg.MaterializeResult(
        metadata={
            "searches": dg.MetadataValue.md(schedules_markdown(every)),
            "scheduled": dg.MetadataValue.int(len(every)),
            "queued": dg.MetadataValue.int(queued),
            "passed_over": dg.MetadataValue.int(len(acted) - queued),
        }
    )
