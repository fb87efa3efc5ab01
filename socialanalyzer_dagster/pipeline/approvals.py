"""What a person decides about a plan: approve it or reject it, by name, once, and exactly that plan (spec 15.2)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile, change
from socialanalyzer_dagster.pipeline.crm_sync import gate_of_plan, queue_again
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.plan_ends import end_plan, skip_leads
from socialanalyzer_dagster.pipeline.workplace import SANDBOX, Workplace
from socialanalyzer_dagster.storage import approval_gates, audit_log, batches, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState

DEMO_APPROVER = "demo-approver"
"""The name demonstrations and simulations approve with; live installations refuse it."""
_LONGEST_NAME = 255
_TRIES = 10


class ApprovalRefused(ValueError):
    """The decision was not taken; the text says why and what is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """What somebody decided, and which plan they had looked at (its hash or the beginning of it; None = the newest)."""

    state: GateState
    action: str
    by: str
    comment: str | None
    plan_hash: str | None


def approve(
    workplace: Workplace, key: str, *, by: str, comment: str | None = None, plan_hash: str | None = None
) -> Batch:
    """The batch, queued for its sync; `plan_hash` (or its beginning) is the plan the person looked at.

    Raises NoSuchBatch and ApprovalRefused.
    """
    name = person_of(workplace, by)
    decision = _Decision(state=GateState.APPROVED, action="plan.approve", by=name, comment=comment, plan_hash=plan_hash)

    def act(connection: Connection, batch: Batch) -> Batch:
        _decide(connection, workplace, batch, decision)
        return queue_again(connection, workplace, batch)

    return _once_more(workplace, key, act)


def reject(workplace: Workplace, key: str, *, by: str, reason: str, plan_hash: str | None = None) -> Batch:
    """The ended batch: its leads are skipped with `gate_rejected`, and the BDRs' counts are given back.

    Raises NoSuchBatch and ApprovalRefused.
    """
    name, why = person_of(workplace, by), reason.strip()
    if not why:
        raise ApprovalRefused("a rejection needs a reason")
    decision = _Decision(state=GateState.REJECTED, action="plan.reject", by=name, comment=why, plan_hash=plan_hash)

    def act(connection: Connection, batch: Batch) -> Batch:
        plan = _decide(connection, workplace, batch, decision)
        skip_leads(connection, workplace, batch, "gate_rejected")
        end_plan(connection, plan, to=PlanState.REJECTED)
        return change(connection, batch, {"cause": f"the plan was rejected by {name}: {why}"})

    lock = batch_lock(workplace.database, workplace.home, find_batch(workplace, key).batch_id)
    if not lock.acquire():
        raise ApprovalRefused(f"a run works on batch {key} just now; wait until it ended, then decide")
    try:
        half_done = _half_rejected(workplace, key)
        rejected = half_done if half_done is not None else _once_more(workplace, key, act)
        return finish_batch(workplace, rejected, _ending(workplace, rejected))
    finally:
        lock.release()


def _ending(workplace: Workplace, batch: Batch) -> Ending:
    return Ending(
        status=BatchStatus.COMPLETED, cause=batch.cause, now=workplace.clock.now(), pending_code="gate_rejected"
    )


def person_of(workplace: Workplace, by: str) -> str:
    """The name of a person who may decide here; raises ApprovalRefused."""
    name = by.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise ApprovalRefused("a decision carries the name of the person who takes it: --by NAME")
    if name.casefold() == DEMO_APPROVER and workplace.mode != SANDBOX:
        raise ApprovalRefused(f"'{DEMO_APPROVER}' decides in the sandbox alone; a live plan needs a person's name")
    return name


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
    """The batch whose plan was rejected by a process that ended before it could end the batch."""
    batch = find_batch(workplace, key)
    with workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, batch.batch_id)
    waits = batch.status == BatchStatus.AWAITING_APPROVAL
    return batch if waits and plan is not None and plan.state == PlanState.REJECTED else None


def _decide(connection: Connection, workplace: Workplace, batch: Batch, decision: _Decision) -> Plan:
    """Write the decision and its audit entry; returns the plan it is about."""
    plan, gate = _open_plan(connection, batch, decision.plan_hash)
    now = workplace.clock.now()
    if plan.is_expired(now):
        raise ApprovalRefused(
            f"the plan of batch {batch.partition_key} expired at {plan.expires_at}, undecided; make a new one with "
            f"`socialanalyzer batch run {batch.partition_key} --from plan`"
        )
    decided = replace(gate, state=decision.state, decided_by=decision.by, decided_at=now, comment=decision.comment)
    if not approval_gates.decide_gate(connection, decided):
        raise ChangedMeanwhile("somebody else decided meanwhile")
    audit_log.record(
        connection,
        at=now,
        actor=decision.by,
        action=decision.action,
        subject=batch.partition_key,
        plan_hash=plan.plan_hash,
        comment=decision.comment,
    )
    return plan


def _once_more(workplace: Workplace, key: str, act: Callable[[Connection, Batch], Batch]) -> Batch:
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
