"""`stuck_batch_sensor`: a batch whose run is gone is put back, or closed with the cause; none runs forever."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from socialanalyzer_dagster.pipeline.interruptions import (
    EndedLaunch,
    nothing_stuck,
    put_back_interrupted,
    put_back_unstarted,
)
from socialanalyzer_dagster.pipeline.launching import run_key_of
from socialanalyzer_dagster.resources.pipeline import PipelineResource
from socialanalyzer_dagster.storage.batches import Batch


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Queues batches again whose run was killed or lost, a few times; then they fail and say why.",
)
def stuck_batch_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """Look at every batch that runs, and at queued ones whose run has ended; a batch at work is left alone."""
    with pipeline.workplace(context.instance) as workplace:
        told = put_back_interrupted(workplace, partial(_has_succeeded, context.instance))
        told += put_back_unstarted(workplace, partial(_ended_launch, context.instance))
        return dg.SkipReason(" ".join(told) or nothing_stuck(workplace))


def _has_succeeded(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status is dg.DagsterRunStatus.SUCCESS


def _ended_launch(instance: dg.DagsterInstance, batch: Batch) -> EndedLaunch | None:
    tags = {RUN_KEY_TAG: run_key_of(batch.partition_key, batch.attempt)}
    record = next(iter(instance.get_run_records(dg.RunsFilter(tags=tags), limit=1)), None)
    if record is None or not record.dagster_run.is_finished or record.end_time is None:
        return None
    return EndedLaunch(
        run_id=record.dagster_run.run_id,
        ended_at=datetime.fromtimestamp(record.end_time, UTC),
        cancelled=record.dagster_run.status is dg.DagsterRunStatus.CANCELED,
    )
