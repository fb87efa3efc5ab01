"""A stage of a batch beside its baseline; people are told when it is worse than usual (spec 14.4, 16)."""

from collections.abc import Sequence

from socialanalyzer_dagster.domain.baseline_texts import comparison_text
from socialanalyzer_dagster.domain.baselines import Comparison, Grade, worse_than_usual
from socialanalyzer_dagster.domain.notification_events import Deviation
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.audited_batch import batch_and_policy
from socialanalyzer_dagster.pipeline.baselines import stage_comparisons
from socialanalyzer_dagster.pipeline.workplace import SystemClock
from socialanalyzer_dagster.storage import outbox
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.database import Database


def compared_stage(database: Database, key: str, stage: Stage) -> list[Comparison]:
    """The figures that stand when a stage has ended, beside what is usual; worse ones are told once."""
    with database.read() as connection:
        batch, policy = batch_and_policy(connection, key)
        found = stage_comparisons(connection, batch, policy, stage)
    event = regression_of(batch, stage, found)
    if event is not None:
        with database.write() as connection:
            outbox.emit(connection, event, now=SystemClock().now())
    return found


def regression_of(batch: Batch, stage: Stage, found: Sequence[Comparison]) -> Deviation | None:
    """What people are told of these figures; None when none is worse than usual."""
    worse = worse_than_usual(found)
    if not worse:
        return None
    return Deviation(
        batch_id=batch.batch_id,
        stage=stage,
        told=tuple(comparison_text(each) for each in worse),
        is_severe=any(each.is_bad and each.grade is Grade.SIGNIFICANT for each in worse),
    )
