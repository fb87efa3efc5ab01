"""The `weekly_report` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.pipeline.digests import weekly_report as report
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(group_name="reports", owners=OWNERS, kinds={"python"}, tags={"spends": "no"}, code_version=CODE_VERSION)
def weekly_report(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """What ran in the last seven days, search by search, with yield and cost per scored lead, and what is used up.

    Put into the outbox once a week; `outbox_sensor` sends it to the channels of `notifications.channels.weekly_report`.
    """
    with pipeline.workplace(context.instance) as workplace:
        text = report(workplace)
    return dg.MaterializeResult(metadata={"report": dg.MetadataValue.text(text)})
