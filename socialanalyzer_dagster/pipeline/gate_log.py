"""What is logged about questions to people: that one was asked, with its answer; that somebody was reminded of it.

Each is one row of `decisions` of the kind `approval`, written before it acts, and one event that people are told, in
the same transaction; a question is over when its row has a result (spec 15.3, 15.4, 16).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import Deadlines, QuestionKind, deadlines
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.notification_events import at_text
from socialanalyzer_dagster.domain.notification_questions import (
    ApprovalExpired,
    ApprovalNeeded,
    ApprovalReminder,
    Escalation,
    how_to_answer,
)
from socialanalyzer_dagster.domain.types import JsonValue
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, decisions, outbox, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision, DecisionResult

KIND = "approval"
ASK, REMIND, EXPIRE = "ask", "remind", "expire"
BEFORE_PLAN = (QuestionKind.STAGE, QuestionKind.RESUME)
"""What is asked about before a plan; a plan's own question ends with the plan."""
_ACTOR = "approval gates"
_NO = {
    QuestionKind.STAGE: "the batch ends and its leads can be queued again later",
    QuestionKind.PLAN: "nothing is written, the batch ends, and a new plan can be made later",
    QuestionKind.RESUME: "the batch ends and its leads can be queued again later",
}


def lasts(workplace: Workplace, gate: GateDecision) -> Deadlines:
    """When people are reminded of a question and when no answer is a no, by the active policy."""
    question = gate.question
    escalated = question is not None and question.is_escalated
    policy = active_policy(workplace.database)
    return deadlines(policy, requested_at=gate.requested_at, is_escalated=escalated, is_plan=gate.is_about_plan)


def log_question(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision) -> None:
    """A person is asked; about a plan, with the number of its rows by action. The plan is stored already."""
    rows = _plan_rows(connection, gate)
    figures: Mapping[str, JsonValue] = {"plan_rows": rows} if gate.is_about_plan else {}
    _record(connection, _entry(workplace, row, gate, ASK), figures)
    escalated = _escalation(workplace, row, gate)
    event = escalated or ApprovalNeeded.model_validate({**_asked(workplace, row, gate), "plan_rows": rows})
    outbox.emit(connection, event, now=workplace.clock.now())


def log_reminder(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision) -> bool:
    """A person is reminded; False when that was done before."""
    is_first = _record(connection, _entry(workplace, row, gate, REMIND), {})
    asked = {**_asked(workplace, row, gate), "plan_rows": _plan_rows(connection, gate)}
    event = ApprovalReminder.model_validate(asked)
    outbox.emit(connection, event, now=workplace.clock.now())
    return is_first


def log_expiry(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision) -> None:
    """Nobody answered."""
    _record(connection, _entry(workplace, row, gate, EXPIRE), {})
    outbox.emit(connection, ApprovalExpired.model_validate(_asked(workplace, row, gate)), now=workplace.clock.now())


def without_answer(gate: GateDecision, expires_at: datetime) -> str:
    """What happens when nobody answers."""
    return f"without an answer until {expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC the answer is no: {_no(gate)}"


def _no(gate: GateDecision) -> str:
    return _NO[gate.question.kind if gate.question is not None else QuestionKind.PLAN]


def log_answer(connection: Connection, gate: GateDecision, at: datetime) -> None:
    """What became of the question."""
    decisions.finish(connection, _dedup_key(gate.gate_id, ASK), DecisionResult(result=gate.state, at=at))


def withdraw(connection: Connection, batch_id: str, at: datetime, kinds: Sequence[QuestionKind] = BEFORE_PLAN) -> None:
    """The batch goes on or has ended: its open questions of these kinds are over, and the log says so."""
    over = DecisionResult(result=GateState.WITHDRAWN, at=at)
    for gate_id in approval_gates.withdraw(connection, batch_id, kinds):
        decisions.finish(connection, _dedup_key(gate_id, ASK), over)


def _dedup_key(gate_id: str, action: str) -> str:
    return f"gate:{gate_id}:{action}"


def _entry(workplace: Workplace, row: Batch, gate: GateDecision, action: str) -> Decision:
    question, ends = gate.question, lasts(workplace, gate).expires_at
    told = f"{_sentence(row, gate)}; {without_answer(gate, ends)}"
    return Decision(
        dedup_key=_dedup_key(gate.gate_id, action),
        at=workplace.clock.now(),
        kind=KIND,
        actor=_ACTOR,
        subject=row.partition_key,
        action=action,
        reason=f"nobody answered in time: {told}" if action == EXPIRE else told,
        platform=row.platform,
        batch_id=row.batch_id,
        stage=gate.stage,
        condition=question.as_json() if question is not None else {},
        alternatives=("approve", "reject", "change"),
        parameters={"gate_id": gate.gate_id, "expires_at": ends.isoformat(), "subject_hash": gate.subject_hash},
        expected_micros=question.expected_micros if question is not None else None,
    )


def _plan_rows(connection: Connection, gate: GateDecision) -> dict[str, JsonValue]:
    plan = sync_plans.newest_plan(connection, gate.batch_id) if gate.is_about_plan else None
    return {} if plan is None else {**sync_plans.action_counts(connection, plan.plan_id)}


def _sentence(row: Batch, gate: GateDecision) -> str:
    asked = gate.question.sentence if gate.question is not None else "waits for a decision about its CRM plan"
    return f"batch {row.partition_key} {asked}"


def _asked(workplace: Workplace, row: Batch, gate: GateDecision) -> Mapping[str, object]:
    """What every event about a question holds."""
    return {
        "batch_id": row.batch_id,
        "plan_hash": gate.subject_hash,
        "told": _sentence(row, gate),
        "no": _no(gate),
        "is_about_plan": gate.is_about_plan,
        "expires_at": lasts(workplace, gate).expires_at,
    }


def _escalation(workplace: Workplace, row: Batch, gate: GateDecision) -> Escalation | None:
    """The event of a question that only an escalation policy asks (15.4); None for others, and for plans: these go
    with the rows of the plan.
    """
    question = gate.question
    if question is None or not question.is_escalated or gate.is_about_plan:
        return None
    return Escalation(
        batch_id=row.batch_id,
        subject=f"{row.batch_id}:{gate.subject_hash}",
        what=f"whether {question.what}",
        why=f"{question.why}; {usd_text(question.spent_micros)} spent so far",
        expected_micros=question.expected_micros,
        worst_case_micros=question.worst_case_micros,
        alternatives=("fewer leads, another cap or another search (`batch change`)",),
        without_answer=f"at {at_text(lasts(workplace, gate).expires_at)} it counts as a no: {_no(gate)}.",
        how=how_to_answer(row.partition_key, is_about_plan=False),
    )


def _record(connection: Connection, entry: Decision, figures: Mapping[str, JsonValue]) -> bool:
    return decisions.record(connection, replace(entry, parameters={**entry.parameters, **figures}))
