"""Batches whose run is gone: put back a few times, then failed with the cause, so that none runs forever (2.4, I-38).

A run is gone when a batch at work gave no sign of life for too long, or when the run that was launched for a queued
batch ended long ago without ever taking hold of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.run_outcomes import FailedRun, run_failed
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batches import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLaunch:
    """The run that a sensor launched for a batch's present attempt, and when it ended."""

    run_id: str
    ended_at: datetime
    cancelled: bool = False


LaunchOf = Callable[[Batch], EndedLaunch | None]
"""The ended run of a queued batch's attempt; None while it is under way, or when none was launched."""


def put_back_interrupted(workplace: Workplace, has_succeeded: Callable[[str], bool]) -> list[str]:
    """Queue interrupted batches again, or fail those that were too often; one sentence each for people.

    A batch whose lock is held is left alone, however old its heartbeat is. One whose run `has_succeeded`, by its id,
    was not interrupted: somebody asked for some of its stages, and it is paused instead of spending any further.
    """
    silent_since = _silent_since(workplace)
    running = _with_status(workplace, *RUNNING.values())
    silent = [batch for batch in running if (batch.heartbeat_at or batch.created_at) < silent_since]
    return [run_failed(workplace, batch.partition_key, _ended(batch.run_id or "", has_succeeded)) for batch in silent]


def put_back_unstarted(workplace: Workplace, launch_of: LaunchOf) -> list[str]:
    """The same for queued batches whose launched run ended without touching them, as `launch_of` knows it.

    So for those that a run made for itself and then never began.
    """
    silent_since = _silent_since(workplace)
    requested = _with_status(workplace, BatchStatus.REQUESTED)
    lost = [(batch, FailedRun(run_id="that made it")) for batch in requested if batch.created_at < silent_since]
    for batch in _with_status(workplace, BatchStatus.QUEUED):
        launch = launch_of(batch)
        if launch is not None and launch.ended_at < silent_since:
            run = FailedRun(run_id=launch.run_id, attempt=batch.attempt, cancelled=launch.cancelled)
            lost.append((batch, run))
    return [run_failed(workplace, batch.partition_key, run) for batch, run in lost]


def nothing_stuck(workplace: Workplace) -> str:
    """Why nothing was put back."""
    running = _with_status(workplace, *RUNNING.values())
    if not running:
        return "No batch is running."
    minutes = active_policy(workplace.database).runtime.stale_heartbeat_minutes
    number = counted(len(running), "running batch", "running batches")
    return f"{number}, each with a sign of life within {minutes} minutes."


def _with_status(workplace: Workplace, *statuses: BatchStatus) -> Sequence[Batch]:
    with workplace.database.read() as connection:
        return batches.batches_with_status(connection, [status.value for status in statuses])


def _silent_since(workplace: Workplace) -> datetime:
    minutes = active_policy(workplace.database).runtime.stale_heartbeat_minutes
    return workplace.clock.now() - timedelta(minutes=minutes)


def _ended(run_id: str, has_succeeded: Callable[[str], bool]) -> FailedRun:
    return FailedRun(run_id=run_id, succeeded=has_succeeded(run_id))
