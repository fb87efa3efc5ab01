"""Batches whose run gave no sign of life for too long are put back, a few times, then failed (spec 2.4, I-38)."""

from datetime import timedelta

from socialanalyzer_dagster.pipeline.batch_status import RUNNING
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches


def put_back_interrupted(workplace: Workplace) -> list[str]:
    """Queue interrupted batches again, or fail those that were too often; one sentence each for people.

    A batch whose lock is held is left alone, however old its heartbeat is.
    """
    minutes = active_policy(workplace.database).runtime.stale_heartbeat_minutes
    silent_since = workplace.clock.now() - timedelta(minutes=minutes)
    with workplace.database.read() as connection:
        running = batches.batches_with_status(connection, [status.value for status in RUNNING.values()])
    silent = [batch for batch in running if (batch.heartbeat_at or batch.created_at) < silent_since]
    return [run_failed(workplace, batch.partition_key, FailedRun(run_id=batch.run_id or "")) for batch in silent]
