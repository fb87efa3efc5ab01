"""Queued batches before gates: how far each one's run may go, and those that are asked about at once, without a run."""

from collections.abc import Sequence

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import Question, asks_before, may_ask_before
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.stage_gates import PAID, ask, next_work, question_before
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, batches, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_plans import PlanState

PLAN = "plan"
"""The step after the stages that may be paid for."""


def steps_ahead(connection: Connection, row: Batch, policy: Policy) -> tuple[str, ...]:
    """What a run up to the plan does where gates stand in its way: from the first stage with work to the next gate.

    Empty where the policy wants no yes before the plan: such a run does everything. `(PLAN,)` after a plan was rejected
    with changes: it is made again, and nothing else is attempted or paid.
    """
    if is_revised(connection, row):
        return (PLAN,)
    if not any(asks_before(policy, stage) for stage in PAID):
        return ()
    first = next_work(connection, row)
    if first is None:
        return (PLAN,)
    gate = _closed_ahead(connection, row, policy=policy, first=first)
    if gate is None:
        return (*map(str, PAID[PAID.index(first) :]), PLAN)
    return tuple(map(str, PAID[PAID.index(first) : PAID.index(gate)])) or (str(first),)


def is_revised(connection: Connection, row: Batch) -> bool:
    """True while a plan that was rejected with changes has no successor."""
    plan = sync_plans.newest_plan(connection, row.batch_id)
    if plan is None or plan.state != PlanState.SUPERSEDED:
        return False
    gate = approval_gates.gate_of(connection, row.batch_id, Stage.SYNCED, plan.plan_hash)
    return gate is not None and gate.state == GateState.REVISED


def ask_where_due(workplace: Workplace, rows: Sequence[Batch]) -> list[str]:
    """Ask about those of these queued batches that come to a closed gate at once, without a run; a sentence for each.

    A batch that somebody works on, or that changed meanwhile, is looked at again the next time.
    """
    sentences = []
    for row in rows:
        lock = batch_lock(workplace.database, workplace.home, row.batch_id)
        if not _comes_to_gate(workplace, row) or not lock.acquire():
            continue
        try:
            asked = _ask_now(workplace, row)
        except ChangedMeanwhile:
            continue
        finally:
            lock.release()
        if asked is not None:
            sentences.append(f"Batch {row.partition_key} {asked.sentence}.")
    return sentences


def _comes_to_gate(workplace: Workplace, row: Batch) -> bool:
    policy = policy_of_hash(workplace.database, row.policy_hash)
    return any(may_ask_before(policy, stage, row.cap_micros) for stage in PAID)


def _ask_now(workplace: Workplace, row: Batch) -> Question | None:
    policy = policy_of_hash(workplace.database, row.policy_hash)
    with workplace.database.write() as connection:
        current = batches.batch_by_id(connection, row.batch_id)
        if current is None or current.status != BatchStatus.QUEUED or is_revised(connection, current):
            return None
        stage = next_work(connection, current)
        if stage is None:
            return None
        question = question_before(connection, workplace, current, stage=stage, policy=policy)
        if question is not None:
            ask(connection, workplace, current, question)
        return question


def _closed_ahead(connection: Connection, row: Batch, *, policy: Policy, first: Stage) -> Stage | None:
    """The next stage that the policy wants a yes for and that never got one; None when the way to the plan is free."""
    gates = approval_gates.gates_of(connection, row.batch_id)
    approved = {gate.stage for gate in gates if gate.state == GateState.APPROVED and not gate.is_about_plan}
    ahead = PAID[PAID.index(first) :]
    return next((stage for stage in ahead if asks_before(policy, stage) and stage not in approved), None)
