"""Where a batch stands between its plan and the CRM: whether somebody must say yes, and what runs next (spec 15.2)."""

from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline.batch_actions import reopen
from socialanalyzer_dagster.pipeline.batch_finish import Ending
from socialanalyzer_dagster.pipeline.batch_status import (
    CANARY_IS_THROUGH,
    RUNNING,
    BatchStatus,
    Transition,
    change,
    transition,
)
from socialanalyzer_dagster.pipeline.counters import stage_counters
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, batches, outcome_sets, sync_plans
from socialanalyzer_dagster.storage.approval_gates import CLEARED, GateDecision
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION, Pending
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState


def gate_of_plan(connection: Connection, plan: Plan) -> GateDecision | None:
    """The decision about exactly this plan; None while nobody was asked."""
    return approval_gates.gate_of(connection, plan.batch_id, Stage.SYNCED, plan.plan_hash)


def cleared_plan(connection: Connection, batch_id: str) -> Plan | None:
    """The batch's newest plan when it may be written now: still open, and approved or in no need of approval."""
    plan = sync_plans.newest_plan(connection, batch_id)
    if plan is None or plan.state != PlanState.OPEN:
        return None
    gate = gate_of_plan(connection, plan)
    return plan if gate is not None and gate.state in CLEARED else None


def next_stretch(connection: Connection, batch: Batch) -> Stretch:
    """What a queued batch is launched for: its sync when a plan waits that may be written, else the stages before.

    A plan past its time is launched too: the sync refuses it and queues the batch for a new one.
    """
    waits = cleared_plan(connection, batch.batch_id) is not None or plan_to_try(connection, batch.batch_id) is not None
    return Stretch.SYNC if waits else Stretch.TO_PLAN


def plan_to_try(connection: Connection, batch_id: str) -> Plan | None:
    """The batch's newest plan when its sync is to go on with rows that the CRM gave no answer for (spec 11.6).

    Somebody who queues the batch for another cause gets a new plan instead, which holds those leads too.
    """
    plan = sync_plans.newest_plan(connection, batch_id)
    if plan is None or plan.state != PlanState.APPLIED or plan.resume_at is None:
        return None
    return plan if sync_plans.first_try(connection, plan.plan_id) is not None else None


def unfinished_leads(connection: Connection, batch_id: str) -> int:
    """Leads that are still on their way to the plan: they reached a stage before it and have no outcome there."""
    counters = stage_counters(connection, batch_id)
    return sum(counters[stage].pending for stage in STAGES if stage is not Stage.SYNCED)


def _unplanned_leads(connection: Connection, batch_id: str) -> int:
    """Leads to sync that the newest plan does not know."""
    pending = Pending(batch_id=batch_id, stage=Stage.SYNCED)
    window = outcome_sets.pending_window(connection, pending, after=0, limit=LATEST_POSITION)
    plan = sync_plans.newest_plan(connection, batch_id)
    planned = sync_plans.planned_leads(connection, plan.plan_id) if plan is not None else []
    return len({uid for uid, _ in window}.difference(planned))


def close_batch(batch: OpenBatch) -> None:
    """End a batch whose sync has nothing left to do; one whose canary holds leads back waits for their release."""
    row = batch.refresh()
    if row.is_terminal:
        return
    with batch.workplace.database.read() as connection:
        unplanned = _unplanned_leads(connection, row.batch_id)
        waiting = unfinished_leads(connection, row.batch_id)
    if unplanned:  # they passed scored after the plan was made: the next plan is theirs
        _queue(batch)
        return
    if row.canary is not None and waiting:
        sentence = f"{CANARY_IS_THROUGH}; {waiting} leads wait until it is released, or the batch stopped"
        batch.become(BatchStatus.PAUSED, sentence)
        return
    cause = row.cause if row.capped else None
    ending = Ending(status=BatchStatus.COMPLETED, cause=cause, now=batch.workplace.clock.now())
    batch.finish(ending)


def go_on_at(batch: OpenBatch, at: datetime | None) -> None:
    """When the sync of the batch's newest plan goes on by itself; None when it waits for a person, or has ended."""
    with batch.workplace.database.write() as connection:
        plan = sync_plans.newest_plan(connection, batch.row.batch_id)
        if plan is not None and plan.resume_at != at:
            sync_plans.put_off(connection, plan.plan_id, at)


def queue_changed(batch: OpenBatch) -> bool:
    """Queue the batch for a new plan when contacts changed after the one that was just written (spec 11.2)."""
    with batch.workplace.database.write() as connection:
        counts = outcome_sets.outcome_counts(connection, batch.row.batch_id)
        plan = sync_plans.newest_plan(connection, batch.row.batch_id)
        row = batches.batch_by_id(connection, batch.row.batch_id)
        if plan is None or row is None or not any(count.code == "plan_changed" for count in counts):
            return False
        sync_plans.forget_tries(connection, plan.plan_id)
        queue_again(connection, batch.workplace, row)
    batch.refresh()
    return True


def queue_sync(batch: OpenBatch) -> None:
    """A batch whose stages ran again although its plan may be written is queued for that."""
    if BatchStatus(batch.refresh().status) in RUNNING.values():
        _queue(batch)


def _queue(batch: OpenBatch) -> None:
    with batch.workplace.database.write() as connection:
        row = batches.batch_by_id(connection, batch.row.batch_id)
        if row is not None:
            queue_again(connection, batch.workplace, row)
    batch.refresh()


def queue_again(connection: Connection, workplace: Workplace, row: Batch) -> Batch:
    """The batch queued for another launch, whatever it is now; raises StatusRefused when nothing is left to attempt."""
    if row.is_terminal:
        return reopen(connection, workplace, row)
    workplace.announce(row.partition_key)
    values = {"attempt": row.attempt + 1}
    if row.status == BatchStatus.QUEUED:
        return change(connection, row, values)
    cause = row.cause if row.capped else None
    now = workplace.clock.now()
    return transition(connection, row, Transition(to=BatchStatus.QUEUED, cause=cause, now=now, values=values))
