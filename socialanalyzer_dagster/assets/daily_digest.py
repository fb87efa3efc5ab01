"""The `daily_digest` asset."""

import dagster as dg

from socialanalyzer_dagster.assets.stage_work import CODE_VERSION, OWNERS
from socialanalyzer_dagster.pipeline.digests import daily_digest as digest
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.asset(group_name="reports", owners=OWNERS, kinds={"python"}, tags={"spends": "no"}, code_version=CODE_VERSION)
def daily_digest(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[None]:
    """What ended in the last 24 hours: batches, yield, cost, what waits for a person, the best leads by uid.

    Put into the outbox once a day; `outbox_sensor` sends it to the channels of `notifications.channels.daily_digest`.
    """
    with pipeline.workplace(context.instance) as workplace:
        text = digest(workplace)
    return dg.MaterializeResult(metadata={"digest": dg.MetadataValue.text(text)})
