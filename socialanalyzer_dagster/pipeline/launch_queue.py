"""What is queued, what runs and how many batches may run at once, read from the database."""

from dataclasses import dataclass

from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus
from socialanalyzer_dagster.pipeline.crm_sync import next_stretch
from socialanalyzer_dagster.pipeline.launching import QueuedBatch
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchQueue:
    """Queued batches, batches at work, and places in all."""

    queued: tuple[QueuedBatch, ...]
    running: int
    places: int


def launch_queue(database: Database) -> LaunchQueue:
    """The queue as it stands."""
    places = active_policy(database).runtime.batches_at_once
    with database.read() as connection:
        queued = batches.batches_with_status(connection, [BatchStatus.QUEUED])
        running = batches.batches_with_status(connection, [status.value for status in RUNNING.values()])
        rows = tuple(
            QueuedBatch(key=row.partition_key, attempt=row.attempt, stretch=next_stretch(connection, row))
            for row in queued
        )
    return LaunchQueue(queued=rows, running=len(running), places=places)
