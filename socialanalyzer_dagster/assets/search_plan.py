"""The `search_plan` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.daily_work import GROUP, day_of
from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.domain.money import MICROS_PER_USD
from socialanalyzer_dagster.domain.plan_texts import plan_markdown
from socialanalyzer_dagster.partitions import PLATFORM_DAYS
from socialanalyzer_dagster.pipeline.search_plans import PastDay, PlannedDay, plan_day
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(
    partitions_def=PLATFORM_DAYS,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python"},
    tags={"spends": "no"},
    code_version=CODE_VERSION,
)
def search_plan(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """Which saved searches run on a day on a platform, and how large, so that the day's target is met within its money.

    Chosen are those with most scored leads for a dollar, by measured yields. Used-up, running and invalid ones are
    passed over, each with the reason. The choices are queued as batches; materialized again it tops the day up. A past
    day buys nothing.
    """
    with pipeline.workplace(context.instance) as workplace:
        try:
            planned = plan_day(workplace, day_of(context))
        except PastDay as past:
            return dg.MaterializeResult(metadata={"plan": dg.MetadataValue.md(str(past)), "planned_batches": 0})
    context.log.info(planned.plan.why)
    return dg.MaterializeResult(metadata=_metadata(planned))


def _metadata(planned: PlannedDay) -> dict[str, dg.MetadataValue]:
    facts = planned.plan.facts
    refused = "\n".join(f"- {name}: {why}" for name, why in planned.refused.items())
    return {
        "plan": dg.MetadataValue.md(plan_markdown(planned.plan, planned.batches)),
        "decided_as": dg.MetadataValue.text(planned.kind),
        "target": dg.MetadataValue.int(facts.target),
        "scored": dg.MetadataValue.int(facts.scored),
        "expected_of_open_batches": dg.MetadataValue.float(float(facts.expected)),
        "expected_of_plan": dg.MetadataValue.float(float(planned.plan.expected)),
        "planned_batches": dg.MetadataValue.int(len(planned.batches)),
        "planned_usd": dg.MetadataValue.float(planned.plan.micros / MICROS_PER_USD),
        **({"refused": dg.MetadataValue.md(refused)} if refused else {}),
    }
