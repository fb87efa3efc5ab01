"""`provider_recovery_sensor`: leads that were skipped because a vendor was away are done when it is back."""

import dagster as dg

from socialanalyzer_dagster.pipeline.provider_recovery import recover_batches
from socialanalyzer_dagster.resources.pipeline import PipelineResource


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues batches again whose leads wait for a vendor that was away, when it can be called again.",
)
def provider_recovery_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Look at every batch that waits for a vendor; never calls the vendor itself."""
    with pipeline.workplace(context.instance) as workplace:
        sentences = recover_batches(workplace)
    return dg.SkipReason(" ".join(sentences))
