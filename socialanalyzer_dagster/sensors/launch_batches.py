"""`lead_batch_sensor`: the only place that turns queued batches into runs."""

from functools import partial

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.jobs import crm_sync_job, lead_batch_job
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.cap_news import tell_held
from socialanalyzer_dagster.pipeline.interruptions import put_back_interrupted
from socialanalyzer_dagster.pipeline.launch_queue import launch_queue
from socialanalyzer_dagster.pipeline.launching import QueuedBatch, Stretch, decide_launches
from socialanalyzer_dagster.resources.pipeline import PipelineResource

_JOBS = {Stretch.TO_PLAN: lead_batch_job.name, Stretch.SYNC: crm_sync_job.name}


@dg.sensor(
    jobs=[lead_batch_job, crm_sync_job],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches queued, resumed, retried and newly approved batches, one run per batch and attempt.",
)
def lead_batch_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Put back batches whose run went silent, then launch what is queued, as many at once as places and caps allow."""
    with pipeline.workplace(context.instance) as workplace:
        for sentence in put_back_interrupted(workplace, partial(_has_succeeded, context.instance)):
            context.log.info(sentence)
        queue = launch_queue(workplace)
        tell_held(workplace, queue.queued)
    decision = decide_launches(
        queue.queued,
        partitions=set(context.instance.get_dynamic_partitions(str(LEAD_BATCHES.name))),
        launched={each.run_key for each in queue.queued if _has_run(context.instance, each)},
        free_places=queue.places - queue.running,
    )
    if decision.missing_partitions:
        context.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), list(decision.missing_partitions))
    if not decision.launch:
        return dg.SensorResult(skip_reason=decision.reason)
    context.log.info(decision.reason)
    return dg.SensorResult(run_requests=[_request(each) for each in decision.launch])


def _has_succeeded(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status is dg.DagsterRunStatus.SUCCESS


def _has_run(instance: dg.DagsterInstance, queued: QueuedBatch) -> bool:
    return bool(instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: queued.run_key}), limit=1))


def _request(queued: QueuedBatch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=queued.run_key,
        job_name=_JOBS[queued.stretch],
        partition_key=queued.key,
        tags={ATTEMPT_TAG: str(queued.attempt)},
    )
