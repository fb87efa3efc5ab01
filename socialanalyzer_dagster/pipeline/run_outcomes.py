"""What the end of a run means for its batch: a crash queues it again, an error or a cancellation pauses it (2.4)."""

from dataclasses import dataclass

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.notification_events import BatchStuck, RunFailed
from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import (
    CANCELLED,
    RUNNING,
    BatchStatus,
    Transition,
    change,
    transition,
)
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, outbox
from socialanalyzer_dagster.storage.batches import Batch

_ACTIVE = frozenset(RUNNING.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that ended before its batch did: `attempt` is None when a person started it.

    `cancelled` says that somebody ended it, `succeeded` that it did what was asked of it, a part of the batch; else it
    failed at `failed_steps`, or crashed when there are none.
    """

    run_id: str
    attempt: int | None = None
    failed_steps: tuple[str, ...] = ()
    cancelled: bool = False
    succeeded: bool = False

    @property
    def pauses(self) -> bool:
        """True when a person has to say whether the batch goes on; a crash alone is put right by itself."""
        return self.cancelled or self.succeeded or bool(self.failed_steps)

    @property
    def cause(self) -> str:
        """Why the batch rests, for people."""
        if self.cancelled:
            return CANCELLED
        if self.succeeded:
            return "its run did the stages it was asked for and no more; run the batch again to go on"
        steps = ", ".join(self.failed_steps)
        return f"its run failed at {steps}; the run {self.run_id} says why. Put that right, then retry the batch"

    def concerns(self, batch: Batch) -> bool:
        """True when the batch stands where this run left it, or where it was when the run was launched for it."""
        status = BatchStatus(batch.status)
        if status in _ACTIVE:
            return batch.run_id == self.run_id
        return status is BatchStatus.QUEUED and self.attempt == batch.attempt


def run_failed(workplace: Workplace, key: str, failed: FailedRun) -> str:
    """Put the batch of a failed run where it belongs; returns a sentence for people.

    A batch that another run holds, that ended or that waits for something is left alone.
    """
    with workplace.database.read() as connection:
        batch = batches.batch_by_key(connection, key)
    if batch is None:
        return f"Run {failed.run_id} failed; there is no batch '{key}'."
    if not failed.concerns(batch):
        return f"Run {failed.run_id} failed; batch {key} is {batch.status} and was left as it is."
    lock = batch_lock(workplace.database, workplace.home, batch.batch_id)
    if not lock.acquire():
        return f"Run {failed.run_id} failed, but somebody works on batch {key}; it was left as it is."
    try:
        if failed.pauses:
            return _pause(workplace, batch, failed)
        return _put_back(workplace, batch)
    finally:
        lock.release()


def _pause(workplace: Workplace, batch: Batch, failed: FailedRun) -> str:
    with workplace.database.write() as connection:
        current = batches.batch_by_id(connection, batch.batch_id)
        if current is not None and current.version == batch.version:
            wanted = Transition(to=BatchStatus.PAUSED, cause=failed.cause, now=workplace.clock.now())
            transition(connection, current, wanted)
            if failed.failed_steps:
                event = RunFailed(batch_id=batch.batch_id, attempt=batch.attempt, what=failed.cause)
                outbox.emit(connection, event, now=wanted.now)
    return f"Batch {batch.partition_key} is paused: {failed.cause}."


def _put_back(workplace: Workplace, batch: Batch) -> str:
    key, limit = batch.partition_key, policy_of_hash(workplace.database, batch.policy_hash).runtime.relaunches
    if batch.interruptions >= limit:
        cause = f"its run crashed {batch.interruptions + 1} times; look at the last run, then retry the batch"
        finish_batch(workplace, batch, Ending(status=BatchStatus.FAILED, cause=cause, now=workplace.clock.now()))
        return f"Batch {key} failed: {cause}."
    workplace.announce(BatchKey(key))
    with workplace.database.write() as connection:
        _queue_again(connection, workplace, batch)
    return f"The run of batch {key} crashed; the batch is queued again ({batch.interruptions + 1} of {limit})."


def _queue_again(connection: Connection, workplace: Workplace, batch: Batch) -> None:
    current = batches.batch_by_id(connection, batch.batch_id)
    if current is None or current.version != batch.version:
        return
    counted = change(connection, current, {"interruptions": current.interruptions + 1, "attempt": current.attempt + 1})
    cause = "its run crashed; it goes on where it was"
    now = workplace.clock.now()
    transition(connection, counted, Transition(to=BatchStatus.QUEUED, cause=cause, now=now))
    outbox.emit(connection, BatchStuck(batch_id=batch.batch_id, attempt=batch.attempt, what=cause), now=now)
