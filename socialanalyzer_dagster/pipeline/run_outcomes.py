"""What the end of a run means for its batch: a crash queues it again, an error or a cancellation pauses it (2.4).

So does a success that did a part of the batch: nobody works on it any more, and a person says when it goes on.
"""

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
from socialanalyzer_dagster.storage import batches, decisions, outbox
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision

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

    @property
    def ended(self) -> str:
        """How it ended, for people."""
        if self.succeeded:
            return "is done"
        return "was cancelled" if self.cancelled else "failed"

    def concerns(self, batch: Batch) -> bool:
        """True when the batch stands where this run left it, or where it was when the run was launched for it."""
        status = BatchStatus(batch.status)
        if status in _ACTIVE:
            return batch.run_id == self.run_id
        if status is BatchStatus.REQUESTED:
            return not self.pauses
        return status is BatchStatus.QUEUED and self.attempt == batch.attempt


def run_failed(workplace: Workplace, key: str, failed: FailedRun) -> str:
    """Put the batch of a failed run where it belongs; returns a sentence for people.

    A batch that another run holds, that ended or that waits for something is left alone.
    """
    with workplace.database.read() as connection:
        batch = batches.batch_by_key(connection, key)
    if batch is None:
        return f"Run {failed.run_id} {failed.ended}; there is no batch '{key}'."
    if not failed.concerns(batch):
        return f"Run {failed.run_id} {failed.ended}; batch {key} is {batch.status} and was left as it is."
    lock = batch_lock(workplace.database, workplace.home, batch.batch_id)
    if not lock.acquire():
        return f"Run {failed.run_id} {failed.ended}, but somebody works on batch {key}; it was left as it is."
    try:
        if failed.pauses:
            return _pause(workplace, batch, failed)
        return _put_back(workplace, batch, failed.run_id)
    finally:
        lock.release()


def _pause(workplace: Workplace, batch: Batch, failed: FailedRun) -> str:
    with workplace.database.write() as connection:
        current = batches.batch_by_id(connection, batch.batch_id)
        if current is not None and current.version == batch.version:
            _log(connection, workplace, batch, _Choice(failed.run_id, "pause", failed.cause))
            wanted = Transition(to=BatchStatus.PAUSED, cause=failed.cause, now=workplace.clock.now())
            transition(connection, current, wanted)
            if failed.failed_steps:
                event = RunFailed(batch_id=batch.batch_id, attempt=batch.attempt, what=failed.cause)
                outbox.emit(connection, event, now=wanted.now)
    return f"Batch {batch.partition_key} is paused: {failed.cause}."


def _put_back(workplace: Workplace, batch: Batch, run_id: str) -> str:
    key, limit = batch.partition_key, policy_of_hash(workplace.database, batch.policy_hash).runtime.relaunches
    if batch.interruptions >= limit:
        cause = f"its run crashed {batch.interruptions + 1} times; look at the last run, then retry the batch"
        with workplace.database.write() as connection:
            _log(connection, workplace, batch, _Choice(run_id, "fail", cause))
        finish_batch(workplace, batch, Ending(status=BatchStatus.FAILED, cause=cause, now=workplace.clock.now()))
        return f"Batch {key} failed: {cause}."
    workplace.announce(BatchKey(key))
    with workplace.database.write() as connection:
        _queue_again(connection, workplace, batch, run_id)
    return f"The run of batch {key} crashed; the batch is queued again ({batch.interruptions + 1} of {limit})."


def _queue_again(connection: Connection, workplace: Workplace, batch: Batch, run_id: str) -> None:
    current = batches.batch_by_id(connection, batch.batch_id)
    if current is None or current.version != batch.version:
        return
    cause = "its run crashed; it goes on where it was"
    _log(connection, workplace, batch, _Choice(run_id, "requeue", cause))
    values = {"interruptions": current.interruptions + 1, "attempt": current.attempt + 1}
    now = workplace.clock.now()
    outbox.emit(connection, BatchStuck(batch_id=batch.batch_id, attempt=batch.attempt, what=cause), now=now)
    if current.status == BatchStatus.QUEUED:  # its run never took hold of it
        change(connection, current, values | {"cause": cause})
        return
    transition(connection, current, Transition(to=BatchStatus.QUEUED, cause=cause, now=now, values=values))


@dataclass(frozen=True, slots=True)
class _Choice:
    run_id: str
    action: str
    reason: str


def _log(connection: Connection, workplace: Workplace, batch: Batch, choice: _Choice) -> None:
    """What becomes of the batch, before it does (spec 15.3)."""
    written = Decision(
        dedup_key=f"run:{batch.batch_id}:{choice.run_id}:{batch.attempt}:{choice.action}",
        at=workplace.clock.now(),
        kind="run_outcome",
        actor="run outcomes",
        subject=batch.partition_key,
        action=choice.action,
        reason=f"batch {batch.partition_key}: {choice.reason}",
        platform=batch.platform,
        batch_id=batch.batch_id,
        condition={"run_id": choice.run_id, "status": batch.status, "interruptions": batch.interruptions},
    )
    decisions.record(connection, written)
