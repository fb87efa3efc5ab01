"""What a crashed run means for its batch: queued again a few times, then failed (spec 2.4)."""

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import RUNNING, BatchStatus, Transition, change, transition
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batches import Batch

_ACTIVE = frozenset(RUNNING.values())


def run_failed(workplace: Workplace, key: str, *, run_id: str) -> str:
    """Put the batch of a failed run where it belongs; returns a sentence for people.

    A batch that another run holds, that ended or that waits for something is left alone.
    """
    with workplace.database.read() as connection:
        batch = batches.batch_by_key(connection, key)
    if batch is None:
        return f"Run {run_id} failed; there is no batch '{key}'."
    if batch.run_id != run_id or BatchStatus(batch.status) not in _ACTIVE:
        return f"Run {run_id} failed; batch {key} is {batch.status} and was left as it is."
    lock = batch_lock(workplace.database, workplace.home, batch.batch_id)
    if not lock.acquire():
        return f"Run {run_id} failed, but somebody works on batch {key}; it was left as it is."
    try:
        return _put_back(workplace, batch)
    finally:
        lock.release()


def _put_back(workplace: Workplace, batch: Batch) -> str:
    key, limit = batch.partition_key, policy_of_hash(workplace.database, batch.policy_hash).runtime.relaunches
    if batch.interruptions >= limit:
        cause = f"its run crashed {batch.interruptions + 1} times; look at the last run, then retry the batch"
        finish_batch(workplace, batch, Ending(status=BatchStatus.FAILED, cause=cause, now=workplace.clock.now())
        )
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
    transition(connection, counted, Transition(to=BatchStatus.QUEUED, cause=cause, now=workplace.clock.now()))
