"""What is logged about questions to people: that one was asked, that somebody was reminded, that nobody answered.

Each is one row of `decisions`, written before it acts; notifications are made from these rows (spec 15.3, 15.4, 16).
"""

from datetime import UTC, datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import Deadlines, QuestionKind, deadlines
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import decisions
from socialanalyzer_dagster.storage.approval_gates import GateDecision
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.decisions import Decision

KIND = "approval"
ASK, REMIND, EXPIRE = "ask", "remind", "expire"
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
    return deadlines(policy, requested_at=gate.requested_at, is_escalated=escalated)


def log_question(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision) -> bool:
    """A person is asked."""
    return _record(connection, workplace, row, gate, ASK)


def log_reminder(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision) -> bool:
    """A person is reminded; False when that was done before."""
    return _record(connection, workplace, row, gate, REMIND)


def log_expiry(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision) -> bool:
    """Nobody answered."""
    return _record(connection, workplace, row, gate, EXPIRE)


def without_answer(gate: GateDecision, expires_at: datetime) -> str:
    """What happens when nobody answers."""
    kind = gate.question.kind if gate.question is not None else QuestionKind.PLAN
    return f"without an answer until {expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC the answer is no: {_NO[kind]}"


def _record(connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision, action: str) -> bool:
    question, ends = gate.question, lasts(workplace, gate).expires_at
    asked = question.sentence if question is not None else "waits for a decision about its CRM plan"
    told = f"batch {row.partition_key} {asked}; {without_answer(gate, ends)}"
    written = Decision(
        dedup_key=f"gate:{gate.gate_id}:{action}",
        at=workplace.clock.now(),
        kind=KIND,
        actor=_ACTOR,
        subject=row.partition_key,
        action=action,
        reason=told if action != EXPIRE else f"nobody answered in time: {told}",
        platform=row.platform,
        batch_id=row.batch_id,
        stage=gate.stage,
        condition=question.as_json() if question is not None else {},
        alternatives=("approve", "reject", "reject with changes"),
        parameters={"gate_id": gate.gate_id, "expires_at": ends.isoformat(), "subject_hash": gate.subject_hash},
        expected_micros=question.expected_micros if question is not None else None,
    )
    return decisions.record(connection, written)
