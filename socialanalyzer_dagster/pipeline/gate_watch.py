"""What is due at open questions by itself: a reminder, and the no that no answer is (spec 15.2, 15.4)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import Due, due
from socialanalyzer_dagster.domain.sentences import counted
from socialanalyzer_dagster.pipeline.approvals import end_waiting
from socialanalyzer_dagster.pipeline.batch_finish import Ending, finish_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile, StatusRefused
from socialanalyzer_dagster.pipeline.crm_due import end_undecided
from socialanalyzer_dagster.pipeline.gate_answers import WAITING, decide
from socialanalyzer_dagster.pipeline.gate_log import lasts, log_expiry, log_reminder
from socialanalyzer_dagster.pipeline.locks import batch_lock
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, batches, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_due import DueBatch
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState

_SAID_NO = {GateState.EXPIRED: "gate_timeout", GateState.REJECTED: "gate_rejected"}
"""How leads end that waited for an answer, by the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A batch that waits for a person: the question it rests on, and the plan when it is about one."""

    row: Batch
    gate: GateDecision
    plan: Plan | None


def attend_gates(workplace: Workplace) -> list[str]:
    """Remind of what waits long and end what nobody answered; a sentence for each batch that something was done with.

    Without any, one sentence says how many batches wait for a person. Batches at work are left alone.
    """
    with workplace.database.read() as connection:
        waiting = _waiting(connection)
    sentences = [sentence for each in waiting if (sentence := _attend(workplace, each)) is not None]
    return sentences or [_quiet(waiting)]


def _quiet(waiting: Sequence[Waiting]) -> str:
    number = Counter(each.gate.state for each in waiting)[GateState.OPEN]
    if not number:
        return "No batch waits for a person."
    return f"{counted(number, 'batch waits', 'batches wait')} for a person; nobody has to be reminded now."


def _waiting(connection: Connection) -> list[Waiting]:
    gates = approval_gates.gates_by_batch(connection, WAITING)
    rows = batches.batches_with_status(connection, sorted(WAITING))
    found = (_rests_on(connection, row, gates.get(row.batch_id, ())) for row in rows)
    return [each for each in found if each is not None]


def _rests_on(connection: Connection, row: Batch, gates: Sequence[GateDecision]) -> Waiting | None:
    """The open question of a batch, or one that was answered with no by a process that did not end the batch."""
    asked = next((gate for gate in gates if gate.state == GateState.OPEN and not gate.is_about_plan), None)
    if asked is not None:
        return Waiting(row=row, gate=asked, plan=None)
    if row.status != BatchStatus.AWAITING_APPROVAL or not gates:
        return None
    if gates[-1].state in _SAID_NO:
        return Waiting(row=row, gate=gates[-1], plan=None)
    plan = sync_plans.newest_plan(connection, row.batch_id)
    if plan is None or plan.state != PlanState.OPEN:
        return None
    of_plan = (gate for gate in gates if gate.subject_hash == plan.plan_hash and gate.state == GateState.OPEN)
    return next((Waiting(row=row, gate=gate, plan=plan) for gate in of_plan), None)


def _attend(workplace: Workplace, waiting: Waiting) -> str | None:
    if waiting.gate.state != GateState.OPEN:
        return _end(workplace, waiting)
    what = due(lasts(workplace, waiting.gate), workplace.clock.now())
    if what is Due.EXPIRY:
        return _end(workplace, waiting)
    if what is Due.NOTHING:
        return None
    with workplace.database.write() as connection:
        is_first = log_reminder(connection, workplace, waiting.row, waiting.gate)
    return f"Batch {waiting.row.partition_key} still waits for a person; a reminder is due." if is_first else None


def _end(workplace: Workplace, waiting: Waiting) -> str | None:
    row = waiting.row
    lock = batch_lock(workplace.database, workplace.home, row.batch_id)
    if not lock.acquire():
        return None
    try:
        if waiting.plan is not None:
            return end_undecided(workplace, DueBatch(row.partition_key, row.batch_id, waiting.plan.plan_id))
        return _finish(workplace, waiting)
    except (ChangedMeanwhile, StatusRefused) as error:
        return f"{error}; it was left as it is"
    finally:
        lock.release()


def _finish(workplace: Workplace, waiting: Waiting) -> str:
    gate, now = waiting.gate, workplace.clock.now()
    row = waiting.row
    if gate.state == GateState.OPEN:
        cause = f"nobody answered in time whether it may go on at {gate.stage}, which is a no"
        gate = replace(gate, state=GateState.EXPIRED, decided_at=now)
        with workplace.database.write() as connection:
            log_expiry(connection, workplace, row, gate)
            decide(connection, gate)
            row = end_waiting(connection, workplace, row, cause=cause, ended_plan=PlanState.EXPIRED)
    code = _SAID_NO[GateState(gate.state)]
    ended = finish_batch(
        workplace, row, Ending(status=BatchStatus.COMPLETED, cause=row.cause, now=now, pending_code=code)
    )
    return f"Batch {ended.partition_key} ended: {ended.cause}."
