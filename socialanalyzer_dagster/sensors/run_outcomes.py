"""`run_failure_sensor`, `run_cancelled_sensor`, `run_success_sensor`: how a run ended is in the state of its batch.

They are ordinary sensors: Dagster's own run status sensors say nothing of ours when nothing happened, take one run a
tick, and pass over a run whose end they failed to write. These repeat such a look until it is written, or until it
would keep them from the ends that came after it.
"""

from collections.abc import Mapping

import dagster as dg
from dagster._core.event_api import RunStatusChangeEventType

from socialanalyzer_dagster.assets.stage_work import ATTEMPT_TAG
from socialanalyzer_dagster.checks.check_groups import failed_steps
from socialanalyzer_dagster.jobs import crm_sync_job, lead_batch_job
from socialanalyzer_dagster.pipeline.run_ends import EndCursor, How, RunEnd, SeenEnds, cursor_of, quiet, settle_ends
from socialanalyzer_dagster.resources.pipeline import PipelineResource

_JOBS = frozenset({lead_batch_job.name, crm_sync_job.name})
_PARTITION_TAG = "dagster/partition"
_EVERY_SECONDS = 30
_MOST = 50
"""Ends of runs in one tick, which may take five minutes."""
_TRIED_AGAIN = "it is tried again with the next look"
_LEFT = "so many ends came after it that it is left to the sensor of stuck batches"
_EVENTS: Mapping[How, RunStatusChangeEventType] = {
    How.FAILED: dg.DagsterEventType.RUN_FAILURE,
    How.CANCELLED: dg.DagsterEventType.RUN_CANCELED,
    How.SUCCEEDED: dg.DagsterEventType.RUN_SUCCESS,
}


@dg.sensor(
    minimum_interval_seconds=_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes the end of a failed run into its batch: a crash queues it again, an error pauses it.",
)
def run_failure_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Map failed runs to the state of their batches and say what was done."""
    return _looked(context, pipeline, How.FAILED)


@dg.sensor(
    minimum_interval_seconds=_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Pauses the batch of a run that was terminated between two stages or before it began.",
)
def run_cancelled_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Map terminated runs to the state of their batches; a run that was in a stage has paused its batch itself."""
    return _looked(context, pipeline, How.CANCELLED)


@dg.sensor(
    minimum_interval_seconds=_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Pauses the batch of a run that did a part of it and no more, so that none seems to be at work.",
)
def run_success_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    """Say how batches stand; one that ended, waits or was queued again is left as it is."""
    return _looked(context, pipeline, How.SUCCEEDED)


def _looked(context: dg.SensorEvaluationContext, pipeline: PipelineResource, how: How) -> dg.SensorResult:
    before = cursor_of(context.cursor)
    seen = ends_after(context.instance, how, before)
    told = quiet(how, is_first=before is None)
    if seen.ends:
        with pipeline.workplace(context.instance) as workplace:
            settled = settle_ends(workplace, seen.ends)
        told = settled.told or told
        context.log.info(told)
        for error in settled.errors:
            context.log.error(f"{error} {' '.join(error.__notes__)}; {_TRIED_AGAIN if not seen.is_full else _LEFT}")
        if settled.errors and not seen.is_full:
            raise ExceptionGroup("ends of runs could not be written", settled.errors)
    return dg.SensorResult(skip_reason=told, cursor=EndCursor(record_id=seen.record_id).model_dump_json())


def ends_after(instance: dg.DagsterInstance, how: How, before: EndCursor | None) -> SeenEnds:
    """The next ends of runs of batches, the oldest first; without a cursor none, and the newest record of all."""
    if before is None:
        newest = instance.fetch_run_status_changes(_EVENTS[how], limit=1).records
        return SeenEnds(ends=(), record_id=newest[0].storage_id if newest else -1)
    wanted = dg.RunStatusChangeRecordsFilter(_EVENTS[how], after_storage_id=before.record_id)
    records = instance.fetch_run_status_changes(wanted, limit=_MOST, ascending=True).records
    run_ids = [each.run_id for each in records]
    stored = instance.get_runs(dg.RunsFilter(run_ids=run_ids)) if run_ids else ()
    runs = {run.run_id: run for run in stored if run.job_name in _JOBS}
    return SeenEnds(
        ends=[_end(instance, runs[run_id], how) for run_id in run_ids if run_id in runs],
        record_id=records[-1].storage_id if records else before.record_id,
        is_full=len(records) >= _MOST,
    )


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, how: How) -> RunEnd:
    attempt = run.tags.get(ATTEMPT_TAG)
    return RunEnd(
        run_id=run.run_id,
        how=how,
        key=run.tags.get(_PARTITION_TAG),
        attempt=int(attempt) if attempt is not None else None,
        failed_steps=_failed_steps(instance, run.run_id) if how is How.FAILED else (),
    )


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> tuple[str, ...]:
    told = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    records = instance.get_records_for_run(run_id, of_type=told).records
    return failed_steps(each.event_log_entry.get_dagster_event() for each in records)
