"""`run_failure_sensor`: a run that crashed leaves a batch whose state says so."""

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
    key = context.dagster_run.tags.get(_PARTITION_TAG)
    if key is None:
        return dg.SkipReason("The run had no batch.")
    with pipeline.workplace(context.instance) as workplace:
        sentence = run_failed(workplace, key, _failed_run(context))
    context.log.info(sentence)
    return dg.SkipReason(sentence)


def _failed_run(context: dg.RunFailureSensorContext) -> FailedRun:
    attempt = context.dagster_run.tags.get(ATTEMPT_TAG)
    steps = (event.step_key for event in context.get_step_failure_events())
    return FailedRun(
        run_id=context.dagster_run.run_id,
        attempt=int(attempt) if attempt is not None else None,
        failed_steps=tuple(step for step in steps if step is not None),
    )
