"""The end of a batch: every lead gets its outcome at every stage, claims end, the summary is written (spec 2.4)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.notification_events import BatchEnded
from socialanalyzer_dagster.domain.outcomes import skipped
from socialanalyzer_dagster.domain.summary import Summary
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, Transition, transition
from socialanalyzer_dagster.pipeline.code_version import code_version
from socialanalyzer_dagster.pipeline.gate_log import withdraw
from socialanalyzer_dagster.pipeline.novelty_history import record_history
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.summaries import write_summary
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import batches, claims, outbox, outcome_fills, outcome_sets, outcomes
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.outcomes import StageOf
from socialanalyzer_dagster.storage.recovery import give_up_held


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a batch ends; leads still pending are skipped with `pending_code` (e.g. batch_stopped, gate_rejected)."""

    status: BatchStatus
    cause: str | None
    now: datetime
    pending_code: str = "batch_stopped"


def stage_of(batch: Batch, stage: Stage) -> StageOf:
    """Whose outcomes are written."""
    return StageOf(
        batch_id=batch.batch_id, stage=stage, policy_version=batch.policy_version, code_version=code_version()
    )


def finish_batch(workplace: Workplace, batch: Batch, ending: Ending) -> Batch:
    """The ended batch, which holds no money. Safe to repeat: a second call completes what a crash left undone.

    Raises StatusRefused and ChangedMeanwhile like every transition.
    """
    database, policy = workplace.database, policy_of_hash(workplace.database, batch.policy_hash)
    for stage in STAGES[1:]:
        of = stage_of(batch, stage)
        with database.write() as connection:
            outcome = skipped(stage, ending.pending_code)
            outcome_fills.fill(connection, outcome_fills.Fill(of=of, outcome=outcome, now=ending.now))
            outcome_fills.fill_upstream(connection, of, ending.now)
    with database.write() as connection:
        give_up_held(connection, batch.batch_id, ending.now)
        outcomes.settle_costs(connection, batch.batch_id)
        partial = ending.status in _PARTIAL or not _is_discovered(connection, batch)
        record_history(connection, batch, now=ending.now, partial=partial)
        values = {"capped": is_still_capped(connection, batch), "plan_only": False}
        wanted = Transition(to=ending.status, cause=ending.cause, now=ending.now, values=values)
        ended = transition(connection, batch, wanted)
        claims.release_claims(connection, batch.batch_id)
        withdraw(connection, batch.batch_id, ending.now)
        summary = write_summary(connection, workplace, ended, policy)
        outbox.emit(connection, _ended_event(ended, summary), now=ending.now)
    with database.read() as connection:
        return batches.batch_by_id(connection, batch.batch_id) or ended


def _ended_event(batch: Batch, summary: Summary) -> BatchEnded:
    return BatchEnded.model_validate(
        {
            "batch_id": batch.batch_id,
            "status": batch.status,
            "attempt": batch.attempt,
            "heading": summary.title,
            "told": summary.lines,
        }
    )


def is_still_capped(connection: Connection, batch: Batch) -> bool:
    """True while a cap leaves leads of the batch out, or its search unbought."""
    return batch.capped and (not _is_discovered(connection, batch) or _has_unpaid_leads(connection, batch))


def _is_discovered(connection: Connection, batch: Batch) -> bool:
    discovered = batches.stage_progress(connection, batch.batch_id).get(Stage.DISCOVERED)
    return discovered is not None and discovered.finished_at is not None


def _has_unpaid_leads(connection: Connection, batch: Batch) -> bool:
    return any(count.code == "budget_stopped" for count in outcome_sets.outcome_counts(connection, batch.batch_id))


_PARTIAL = frozenset({BatchStatus.FAILED, BatchStatus.STOPPED})
