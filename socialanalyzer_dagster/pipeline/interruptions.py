"""Batches whose run gave no sign of life for too long are put back, a few times, then failed (spec 2.4, I-38)."""

from collections.abc import Callable
from datetime import timedelta

from socialanalyzer_dagster.pipeline.batch_status import RUNNING
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches


def put_back_interrupted(workplace: Workplace, has_succeeded: Callable[[str], bool]) -> list[str]:
    """Queue interrupted batches again, or fail those that were too often; one sentence each for people.

    A batch whose lock is held is left alone, however old its heartbeat is. One whose run `has_succeeded`, by its id,
    was not interrupted: somebody asked for some of its stages, and it is paused instead of spending any further.
    """
    minutes = active_policy(workplace.database).runtime.stale_heartbeat_minutes
    silent_since = workplace.clock.now() - timedelta(minutes=minutes)
    with workplace.database.read() as connection:
        running = batches.batches_with_status(connection, [status.value for status in RUNNING.values()])
    silent = [batch for batch in running if (batch.heartbeat_at or batch.created_at) < silent_since]
    return [run_failed(workplace, batch.partition_key, _ended(batch.run_id or "", has_succeeded)) for batch in silent]


def _ended(run_id: str, has_succeeded: Callable[[str], bool]) -> FailedRun:
    return FailedRun(run_id=run_id, succeeded=has_succeeded(run_id))
