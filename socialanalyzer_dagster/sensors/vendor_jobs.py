"""`vendor_job_sensor`: batches that wait for a vendor's job go on when it has ended, and late costs are booked."""

import asyncio
from collections.abc import Sequence

import dagster as dg

from socialanalyzer_dagster.pipeline.late_costs import Job, late_costs, read_late_costs
from socialanalyzer_dagster.pipeline.vendor_job_polls import poll_batches, waiting_batches
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.storage.batches import Batch


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Asks vendors about paid jobs by their stored id: queues a batch again when its job has ended, and books the "
        "final cost of jobs whose run was killed or cancelled before it could read it."
    ),
)
def vendor_job_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Poll the job of every waiting batch once, and read late costs; never starts or buys anything."""
    with pipeline.workplace(context.instance) as workplace:
        waiting, late = waiting_batches(workplace), late_costs(workplace)
    if not waiting and not late:
        return dg.SkipReason("No batch waits for a vendor.")
    return dg.SkipReason(" ".join(asyncio.run(_poll(context, pipeline, waiting, late))))


async def _poll(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource, waiting: Sequence[Batch], late: Sequence[Job]
) -> list[str]:
    async with pipeline.session(context.instance) as session:
        polled, read = await asyncio.gather(poll_batches(session, waiting), read_late_costs(session, late))
    return [*polled, *read]
