"""`vendor_job_sensor`: batches that wait for a vendor's job go on when it has ended."""

import asyncio
from collections.abc import Sequence

import dagster as dg

from socialanalyzer_dagster.pipeline.vendor_job_polls import poll_batches, waiting_batches
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.storage.batches import Batch


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks vendors about paid jobs by their stored id, and queues a batch again when its job has ended.",
)
def vendor_job_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Poll the job of every waiting batch once; never starts or buys anything."""
    with pipeline.workplace(context.instance) as workplace:
        waiting = waiting_batches(workplace)
    if not waiting:
        return dg.SkipReason("No batch waits for a vendor.")
    return dg.SkipReason(" ".join(asyncio.run(_poll(context, pipeline, waiting))))


async def _poll(context: dg.SensorEvaluationContext, pipeline: PipelineResource, waiting: Sequence[Batch]) -> list[str]:
    async with pipeline.session(context.instance) as session:
        return await poll_batches(session, waiting)
