"""What is due at CRM plans by itself: their end, rows to try again, syncs that were put off (spec 11.2, 11.6)."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile, StatusRefused, change
from socialanalyzer_dagster.pipeline.crm_sync import queue_again
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.plan_ends import expire_plan, skip_leads
from socialanalyzer_dagster.pipeline.stage_gates import open_question
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, sync_due, sync_plans
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_due import DueBatch
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState


def attend_plans(workplace: Workplace) -> list[str]:
    """End what is past its time and queue what is due; a sentence for each batch. Batches at work are left alone."""
    now = workplace.clock.now()
    with workplace.database.read() as connection:
        lapsed = sync_due.lapsed_batches(connection, now, deciding=BatchStatus.AWAITING_APPROVAL)
        again = sync_due.batches_to_try(connection, now, ended=BatchStatus.COMPLETED, paused=BatchStatus.PAUSED)
        resumed = sync_due.batches_to_resume(connection, now, paused=BatchStatus.PAUSED)
    sentences = _each(workplace, lapsed, end_undecided)
    return sentences + _each(workplace, [*again, *resumed], _queue)


def _each(
    workplace: Workplace, found: Sequence[DueBatch], act: Callable[[Workplace, DueBatch], str | None]
) -> list[str]:
    sentences = []
    for due in found:
        lock = batch_lock(workplace.database, workplace.home, due.batch_id)
        if not lock.acquire():
            continue
        try:
            sentence = act(workplace, due)
        except (ChangedMeanwhile, StatusRefused) as error:
            sentence = f"{error}; it was left as it is"
        finally:
            lock.release()
        if sentence is not None:
            sentences.append(sentence)
    return sentences


def end_undecided(workplace: Workplace, due: DueBatch) -> str | None:
    """No answer in time is a no: the leads can be planned again, and nothing was written (spec 15.2).

    A batch that waits for another answer than the one about its plan goes on waiting. The caller holds its lock.
    """
    cause = "the plan expired, because nobody decided about it in time"
    with workplace.database.write() as connection:
        batch, plan = _current(connection, due)
        if batch is None or plan is None:
            return None
        is_undecided = True
        if plan.state == PlanState.OPEN:
            is_undecided = expire_plan(connection, workplace, batch, plan) and open_question(connection, batch) is None
            if is_undecided and batch.status == BatchStatus.AWAITING_APPROVAL:
                skip_leads(connection, workplace, batch, "gate_timeout")
                batch = change(connection, batch, {"cause": cause})
    if not is_undecided or batch.status != BatchStatus.AWAITING_APPROVAL:
        return f"The plan of batch {due.key} expired before it was written; the batch is {batch.status}."
    finish_batch(workplace, batch, Ending(status=BatchStatus.COMPLETED, cause=cause, now=workplace.clock.now()))
    return f"Batch {due.key} ended: {cause}."


def _queue(workplace: Workplace, due: DueBatch) -> str | None:
    with workplace.database.write() as connection:
        batch, plan = _current(connection, due)
        if batch is None or plan is None:
            return None
        workplace.announce(BatchKey(due.key))
        sync_plans.put_off(connection, plan.plan_id, workplace.clock.now())
        queue_again(connection, workplace, batch)
    return f"Batch {due.key} is queued: its sync goes on."


def _current(connection: Connection, due: DueBatch) -> tuple[Batch | None, Plan | None]:
    """The batch and its newest plan, None for a plan that is not the newest any more."""
    plan = sync_plans.newest_plan(connection, due.batch_id)
    is_newest = plan is not None and plan.plan_id == due.plan_id
    return batches.batch_by_id(connection, due.batch_id), plan if is_newest else None
