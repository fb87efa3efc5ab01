"""Asking a person whether a batch may go on after a vendor refused its service for good (spec 15.4)."""

from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.gate_log import withdraw
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.stage_gates import figures_at, put_question, question_of
from socialanalyzer_dagster.storage import approval_gates


def ask_to_resume(batch: OpenBatch, stage: Stage, away: ProviderUnavailable) -> None:
    """Ask about a batch that has just been paused because of a vendor that no time brings back.

    A retry by a person, or a run that a person starts, is a yes without these words.
    """
    if not batch.policy.escalation.permanent_errors:
        return
    workplace, row = batch.workplace, batch.row
    with workplace.database.write() as connection:
        withdraw(connection, row.batch_id, workplace.clock.now())
        gates = approval_gates.gates_of(connection, row.batch_id)
        figures = figures_at(connection, workplace, row, stage=stage, policy=batch.policy)
        why = f"{away.vendor} refused its service ({away.code})"
        question = question_of(QuestionKind.RESUME, stage, figures, gates, why=why, is_escalated=True)
        put_question(connection, workplace, row, question)
