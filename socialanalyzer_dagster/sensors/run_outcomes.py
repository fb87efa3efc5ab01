"""`run_failure_sensor`, `run_cancelled_sensor`, `run_success_sensor`: how a run ended is in the state of its batch."""

import dagster as dg

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.jobs import crm_sync_job, lead_batch_job
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.resources.pipeline import PipelineResource

_PARTITION_TAG = "dagster/partition"


@dg.run_failure_sensor(
    monitored_jobs=[lead_batch_job, crm_sync_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes the end of a failed run into its batch: a crash queues it again, an error pauses it.",
)
def run_failure_sensor(context: dg.RunFailureSensorContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Map the failed run to the state of its batch and say what was done."""
    steps = (event.step_key for event in context.get_step_failure_events())
    return _written(context, pipeline, failed_steps=tuple(step for step in steps if step is not None))


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[lead_batch_job, crm_sync_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Pauses the batch of a run that was terminated between two stages or before it began.",
)
def run_cancelled_sensor(context: dg.RunStatusSensorContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Map the terminated run to the state of its batch; a run that was in a stage has paused its batch itself."""
    return _written(context, pipeline, cancelled=True)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[lead_batch_job, crm_sync_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Pauses the batch of a run that did a part of it and no more, so that none seems to be at work.",
)
def run_success_sensor(context: dg.RunStatusSensorContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Say how the batch stands; one that ended, waits or was queued again is left as it is."""
    return _written(context, pipeline, succeeded=True)


def _written(
    context: dg.RunStatusSensorContext,
    pipeline: PipelineResource,
    *,
    failed_steps: tuple[str, ...] = (),
    cancelled: bool = False,
    succeeded: bool = False,
) -> dg.SkipReason:
    tags = context.dagster_run.tags
    if (key := tags.get(_PARTITION_TAG)) is None:
        return dg.SkipReason("The run had no batch.")
    attempt = tags.get(ATTEMPT_TAG)
    failed = FailedRun(
        run_id=context.dagster_run.run_id,
        attempt=int(attempt) if attempt is not None else None,
        failed_steps=failed_steps,
        cancelled=cancelled,
        succeeded=succeeded,
    )
    with pipeline.workplace(context.instance) as workplace:
        sentence = run_failed(workplace, key, failed)
    context.log.info(sentence)
    return dg.SkipReason(sentence)
