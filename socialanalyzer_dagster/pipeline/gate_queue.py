"""Queued batches before gates: how far each one's run may go, and those that are asked about at once, without a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import Question, asks_before, may_ask_before
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import BatchKey, Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.stage_gates import PAID, ask, next_work, question_before
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, batches
from socialanalyzer_dagster.storage.approval_gates import GateState
from socialanalyzer_dagster.storage.batches import Batch

PLAN = "plan"
"""The step after the stages that may be paid for."""


def steps_ahead(connection: Connection, row: Batch, policy: Policy) -> tuple[str, ...]:
    """What a run up to the plan does where gates stand in its way: from the first stage with work to the next gate.

    Empty where the policy wants no yes before the plan: such a run does everything. `(PLAN,)` after a plan was rejected
    with changes: it is made again, and nothing else is attempted or paid.
    """
    if row.plan_only:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A batch that waits for a person from now on, and the sentence about it."""

    key: BatchKey
    sentence: str


def ask_where_due(workplace: Workplace, rows: Sequence[Batch]) -> list[Asked]:
    """Ask about those of these queued batches that come to a closed gate at once, without a run.

    A batch that somebody works on, or that changed meanwhile, is looked at again the next time.
    """
    found = []
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
            found.append(Asked(key=row.partition_key, sentence=f"Batch {row.partition_key} {asked.sentence}."))
    return found


def _comes_to_gate(workplace: Workplace, row: Batch) -> bool:
    policy = policy_of_hash(workplace.database, row.policy_hash)
    return any(may_ask_before(policy, stage, row.cap_micros) for stage in PAID)


def _ask_now(workplace: Workplace, row: Batch) -> Question | None:
    policy = policy_of_hash(workplace.database, row.policy_hash)
    with workplace.database.write() as connection:
        current = batches.batch_by_id(connection, row.batch_id)
        if current is None or current.status != BatchStatus.QUEUED or current.plan_only:
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
