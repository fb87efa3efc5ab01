"""`lead_batch_sensor`: the only place that turns queued batches into runs."""

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from socialanalyzer_dagster.assets.question_metadata import waiting_stage
from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.jobs import crm_sync_job, lead_batch_job
from socialanalyzer_dagster.partitions import LEAD_BATCHES
from socialanalyzer_dagster.pipeline.cap_news import tell_held
from socialanalyzer_dagster.pipeline.launch_queue import launch_queue
from socialanalyzer_dagster.pipeline.launching import QueuedBatch, Stretch, decide_launches, step_asset
from socialanalyzer_dagster.pipeline.question_view import question_of_batch
from socialanalyzer_dagster.resources.pipeline import PipelineResource

_JOBS = {Stretch.TO_PLAN: lead_batch_job.name, Stretch.SYNC: crm_sync_job.name}


@dg.sensor(
    jobs=[lead_batch_job, crm_sync_job],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches queued, resumed, retried and newly approved batches, one run per batch and attempt.",
)
def lead_batch_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Ask about batches at a closed gate, then launch the others, as many at once as places and caps allow."""
    with pipeline.workplace(context.instance) as workplace:
        queue = launch_queue(workplace)
        questions = ((each.key, question_of_batch(workplace, each.key)) for each in queue.asked)
        waiting = [waiting_stage(key, question) for key, question in questions if question is not None]
        tell_held(workplace, queue.queued)
    decision = decide_launches(
        queue.queued,
        partitions=set(context.instance.get_dynamic_partitions(str(LEAD_BATCHES.name))),
        launched={each.run_key for each in queue.queued if _has_run(context.instance, each)},
        free_places=queue.places - queue.running,
    )
    if decision.missing_partitions:
        context.instance.add_dynamic_partitions(str(LEAD_BATCHES.name), list(decision.missing_partitions))
    told = " ".join([*(each.sentence for each in queue.asked), decision.reason])
    if not decision.launch:
        return dg.SensorResult(skip_reason=told, asset_events=waiting)
    context.log.info(told)
    return dg.SensorResult(run_requests=[_request(each) for each in decision.launch], asset_events=waiting)


def _has_run(instance: dg.DagsterInstance, queued: QueuedBatch) -> bool:
    return bool(instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: queued.run_key}), limit=1))


def _request(queued: QueuedBatch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=queued.run_key,
        job_name=_JOBS[queued.stretch],
        partition_key=queued.key,
        asset_selection=[dg.AssetKey(step_asset(step)) for step in queued.steps] or None,
        tags={ATTEMPT_TAG: str(queued.attempt)},
    )
