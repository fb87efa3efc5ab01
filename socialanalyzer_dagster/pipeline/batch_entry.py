"""A run steps into a batch whose lock it holds: what it may do there depends on why the batch stands where it does."""

from dataclasses import dataclass

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused, check_confirmation
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, Transition, transition
from socialanalyzer_dagster.pipeline.locks import Holder
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches
from socialanalyzer_dagster.storage.batches import Batch


class NeedsConfirmation(BatchRefused):
    """The estimate must be confirmed first; nothing was spent and the text has the figure to enter."""


class StaleLaunch(BatchRefused):
    """The run was launched for an earlier attempt of the batch; a newer one is or will be launched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who steps in: `launched_attempt` is None for a run that a person started."""

    run_id: str
    confirm_estimate_micro: int | None = None
    launched_attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The batch as this run finds it.

    `dead_run_id` is a run that held the batch and never let go; `is_halted` when this same run stopped here before, or
    a person stopped the batch: nothing more is done then.
    """

    row: Batch
    dead_run_id: str | None
    is_halted: bool


def enter_batch(workplace: Workplace, key: str, entry: Entry) -> Entered:
    """Take hold of the batch; the caller has its lock.

    Raises NeedsConfirmation, WrongConfirmation and StaleLaunch before anything is changed.
    """
    now = workplace.clock.now()
    with workplace.database.write() as connection:
        batch = batches.batch_by_key(connection, key)
        if batch is None:
            raise NoSuchBatch(f"there is no batch '{key}'")
        if entry.launched_attempt is not None and entry.launched_attempt != batch.attempt:
            raise StaleLaunch(
                f"this run was launched for attempt {entry.launched_attempt} of batch {key}, now at {batch.attempt}"
            )
        if entry.launched_attempt is not None and batch.is_terminal and batch.run_id != entry.run_id:
            raise StaleLaunch(f"batch {key} is {batch.status} since this run was launched")
        dead_run_id = batch.run_id if batch.holder is not None and batch.run_id != entry.run_id else None
        batch = _admitted(connection, workplace, batch, entry)
        holder = Holder.this_process(entry.run_id, now).as_json()
        batches.take_hold(connection, batch.batch_id, run_id=entry.run_id, holder=holder, now=now)
        row = batches.batch_by_id(connection, batch.batch_id) or batch
    is_stopped_now = row.stop_requested and not row.is_terminal
    if is_stopped_now:
        with workplace.database.write() as connection:
            batches.halt_run(connection, row.batch_id, entry.run_id)
        row = finish_batch(
            workplace, row, Ending(status=BatchStatus.STOPPED, cause=row.cause, now=workplace.clock.now())
        )
    is_halted = is_stopped_now or row.halted_run_id == entry.run_id
    return Entered(row=row, dead_run_id=dead_run_id, is_halted=is_halted)


def _admitted(connection: Connection, workplace: Workplace, batch: Batch, entry: Entry) -> Batch:
    to_queue = Transition(to=BatchStatus.QUEUED, cause=None, now=workplace.clock.now())
    if batch.status == BatchStatus.REQUESTED:
        return transition(connection, batch, to_queue)
    if batch.status != BatchStatus.AWAITING_CONFIRMATION:
        return batch
    if entry.confirm_estimate_micro is None:
        raise NeedsConfirmation(
            f"batch {batch.partition_key} is estimated at {usd_text(batch.estimate_micros)}, which a person must "
            f"confirm: enter confirm_estimate_micro = {batch.estimate_micros}"
        )
    check_confirmation(entry.confirm_estimate_micro, batch.estimate_micros)
    return transition(connection, batch, to_queue)
