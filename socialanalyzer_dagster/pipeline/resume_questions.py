"""Asking a person whether a batch may go on after a vendor refused its service for good (spec 15.4)."""

from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.stage_gates import figures_at, put_question, question_of
from socialanalyzer_dagster.storage import approval_gates, batches
from socialanalyzer_dagster.storage.breakers import load_breakers


def ask_to_resume(batch: OpenBatch, stage: Stage, away: ProviderUnavailable) -> None:
    """Ask about a batch that has just been paused, where its vendor waits for a person too; others are left alone.

    A retry by a person, or a run that a person starts, is a yes without these words.
    """
    if not batch.policy.escalation.permanent_errors:
        return
    workplace = batch.workplace
    with workplace.database.write() as connection:
        breaker = load_breakers(connection).get(away.vendor)
        row = batches.batch_by_id(connection, batch.row.batch_id)
        if row is None or breaker is None or not breaker.state.needs_person:
            return
        approval_gates.withdraw(connection, row.batch_id)
        gates = approval_gates.gates_of(connection, row.batch_id)
        figures = figures_at(connection, workplace, row, stage=stage, policy=batch.policy)
        why = f"{away.vendor} refused its service ({away.code})"
        question = question_of(QuestionKind.RESUME, stage, figures, gates, why=why, is_escalated=True)
        put_question(connection, workplace, row, question)
