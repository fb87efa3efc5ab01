"""The open question of a batch for people: what, why, in which figures, until when, and what no answer means (15.4)."""

from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_sync import gate_of_plan
from socialanalyzer_dagster.pipeline.gate_answers import waiting_question
from socialanalyzer_dagster.pipeline.gate_log import lasts, without_answer
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch


def question_of_batch(workplace: Workplace, key: str) -> dict[str, Any] | None:
    """What a person is asked about the batch now; None when nobody is. Raises NoSuchBatch."""
    row = find_batch(workplace, key)
    with workplace.database.read() as connection:
        return question_view(connection, workplace, row)


def question_view(connection: Connection, workplace: Workplace, row: Batch) -> dict[str, Any] | None:
    """The same in the caller's transaction: sentence, figures in micro-USD, times as ISO texts, commands."""
    gate = waiting_question(connection, row) or _of_plan(connection, row)
    if gate is None or gate.question is None:
        return None
    question, until = gate.question, lasts(workplace, gate)
    return {
        **question.as_json(),
        "sentence": question.sentence,
        "hash": gate.subject_hash,
        "asked_at": gate.requested_at.isoformat(),
        "reminder_at": until.remind_at.isoformat() if until.remind_at is not None else None,
        "expires_at": until.expires_at.isoformat(),
        "without_answer": without_answer(gate, until.expires_at),
        "answers": list(_answers(row.partition_key, question.kind)),
    }


def _answers(key: str, kind: QuestionKind) -> tuple[str, ...]:
    yes = f"socialanalyzer batch approve {key} --by NAME"
    no = f"socialanalyzer batch reject {key} --by NAME --reason WHY"
    change = f"socialanalyzer batch change {key} --by NAME --reason WHY "
    otherwise = "[--max-spend USD] [--exclude LEAD] [--bdr NAME] [--tier-floor TIER] [--filters JSON]"
    return (yes, no) if kind is QuestionKind.RESUME else (yes, no, change + otherwise)


def _of_plan(connection: Connection, row: Batch) -> GateDecision | None:
    if row.status != BatchStatus.AWAITING_APPROVAL:
        return None
    plan = sync_plans.newest_plan(connection, row.batch_id)
    gate = gate_of_plan(connection, plan) if plan is not None else None
    return gate if gate is not None and gate.state == GateState.OPEN else None
