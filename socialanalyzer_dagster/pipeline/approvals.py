"""What a person decides about a plan or another question: by name, once, and about exactly what was asked (15.2)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection

from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile, Transition, change, transition
from socialanalyzer_dagster.pipeline.crm_sync import gate_of_plan, queue_again
from socialanalyzer_dagster.pipeline.gate_answers import (
    Answer,
    ApprovalRefused,
    answer_question,
    decide,
    person_of,
    reason_of,
    waiting_question,
)
from socialanalyzer_dagster.pipeline.gate_log import lasts
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.plan_ends import end_plan, skip_leads
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, audit_log, batches, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState

_TRIES = 10


def approve(
    workplace: Workplace, key: str, *, by: str, comment: str | None = None, plan_hash: str | None = None
) -> Batch:
    """The batch, queued for what it waited for; `plan_hash` (or its beginning) is the plan the person looked at.

    Raises NoSuchBatch and ApprovalRefused.
    """
    name = person_of(workplace, by)
    given = Answer(state=GateState.APPROVED, by=name, comment=comment, subject_hash=plan_hash)

    def act(connection: Connection, batch: Batch) -> Batch:
        if (gate := waiting_question(connection, batch)) is not None:
            answer_question(connection, workplace, batch, gate, given)
        else:
            answer_plan(connection, workplace, batch, given)
        return queue_again(connection, workplace, batch)

    return once_more(workplace, key, act)


def reject(workplace: Workplace, key: str, *, by: str, reason: str, plan_hash: str | None = None) -> Batch:
    """The ended batch: leads that waited are skipped with `gate_rejected`, and the BDRs' counts are given back.

    Raises NoSuchBatch and ApprovalRefused.
    """
    name, why = person_of(workplace, by), reason_of(reason)
    given = Answer(state=GateState.REJECTED, by=name, comment=why, subject_hash=plan_hash)

    def act(connection: Connection, batch: Batch) -> Batch:
        if (gate := waiting_question(connection, batch)) is not None:
            answer_question(connection, workplace, batch, gate, given)
            cause = f"{name} said no before {gate.stage}: {why}"
            return end_waiting(connection, workplace, batch, cause=cause, ended_plan=PlanState.REJECTED)
        plan = answer_plan(connection, workplace, batch, given)
        skip_leads(connection, workplace, batch, "gate_rejected")
        end_plan(connection, plan, to=PlanState.REJECTED)
        return change(connection, batch, {"cause": f"the plan was rejected by {name}: {why}"})

    with undisturbed(workplace, key):
        half_done = _half_rejected(workplace, key)
        rejected = half_done if half_done is not None else once_more(workplace, key, act)
        return finish_batch(workplace, rejected, _ending(workplace, rejected))


@contextmanager
def undisturbed(workplace: Workplace, key: str) -> Iterator[None]:
    """Nobody works on the batch meanwhile; raises ApprovalRefused while somebody does."""
    lock = batch_lock(workplace.database, workplace.home, find_batch(workplace, key).batch_id)
    if not lock.acquire():
        raise ApprovalRefused(f"a run works on batch {key} just now; wait until it ended, then decide")
    try:
        yield
    finally:
        lock.release()


def end_waiting(
    connection: Connection, workplace: Workplace, batch: Batch, *, cause: str, ended_plan: PlanState
) -> Batch:
    """The batch with the cause of its end; its plan, if one is open, ends with it, and finish_batch does the rest."""
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    if plan is not None and plan.state == PlanState.OPEN:
        end_plan(connection, plan, to=ended_plan)
    if batch.status == BatchStatus.AWAITING_APPROVAL:
        return change(connection, batch, {"cause": cause})
    wanted = Transition(to=BatchStatus.AWAITING_APPROVAL, cause=cause, now=workplace.clock.now())
    return transition(connection, batch, wanted)  # so that whoever comes after a crash completes the end


def _ending(workplace: Workplace, batch: Batch) -> Ending:
    return Ending(
        status=BatchStatus.COMPLETED, cause=batch.cause, now=workplace.clock.now(), pending_code="gate_rejected"
    )


def _open_plan(connection: Connection, batch: Batch, plan_hash: str | None) -> tuple[Plan, GateDecision]:
    """The plan that waits for a decision, and its gate; raises ApprovalRefused."""
    key = batch.partition_key
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    if plan is None:
        raise ApprovalRefused(f"batch {key} is {batch.status} and has no plan yet")
    gate = gate_of_plan(connection, plan)
    if gate is not None and gate.state in (GateState.APPROVED, GateState.REJECTED):
        raise ApprovalRefused(f"the plan of batch {key} was {gate.state} by {gate.decided_by} at {gate.decided_at}")
    if gate is not None and gate.state == GateState.WAIVED:
        raise ApprovalRefused(f"the plan of batch {key} needs no approval: its policy asks nobody for this one")
    if gate is None or plan.state != PlanState.OPEN:
        raise ApprovalRefused(f"the plan of batch {key} is {plan.state}; there is nothing to decide")
    if batch.status != BatchStatus.AWAITING_APPROVAL:
        raise ApprovalRefused(f"batch {key} is {batch.status}; a plan is decided about while its batch awaits approval")
    if plan_hash is not None and not (plan_hash and plan.plan_hash.startswith(plan_hash)):
        raise ApprovalRefused(
            f"the plan of batch {key} has changed since: it is {plan.plan_hash[:12]} now, not {plan_hash[:12]}; "
            f"look at it again with `socialanalyzer batch plan {key}`"
        )
    return plan, gate


def _half_rejected(workplace: Workplace, key: str) -> Batch | None:
    """The batch that somebody rejected in a process that ended before it could end the batch."""
    batch = find_batch(workplace, key)
    with workplace.database.read() as connection:
        gates = approval_gates.gates_of(connection, batch.batch_id)
    waits = batch.status == BatchStatus.AWAITING_APPROVAL
    return batch if waits and gates and gates[-1].state == GateState.REJECTED else None


def answer_plan(connection: Connection, workplace: Workplace, batch: Batch, decision: Answer) -> Plan:
    """Write the decision and its audit entry; returns the plan it is about.

    Raises ApprovalRefused, ChangedMeanwhile.
    """
    plan, gate = _open_plan(connection, batch, decision.subject_hash)
    now = workplace.clock.now()
    ended = min(plan.expires_at, lasts(workplace, gate).expires_at)
    if now >= ended:
        raise ApprovalRefused(
            f"the plan of batch {batch.partition_key} expired at {ended}, undecided; make a new one with "
            f"`socialanalyzer batch run {batch.partition_key} --from plan`"
        )
    decided = replace(gate, state=decision.state, decided_by=decision.by, decided_at=now, comment=decision.comment)
    decide(connection, decided)
    audit_log.record(
        connection,
        at=now,
        actor=decision.by,
        action=f"plan.{decision.verb}",
        subject=batch.partition_key,
        plan_hash=plan.plan_hash,
        comment=decision.comment,
    )
    return plan


def once_more(workplace: Workplace, key: str, act: Callable[[Connection, Batch], Batch]) -> Batch:
    """Do it in one transaction on the batch as it is now; again when somebody changed the row meanwhile."""
    for _ in range(_TRIES):
        batch = find_batch(workplace, key)
        try:
            with workplace.database.write() as connection:
                current = batches.batch_by_id(connection, batch.batch_id)
                return act(connection, current or batch)
        except ChangedMeanwhile:
            continue
    raise ApprovalRefused(f"batch {key} keeps changing; try again")
