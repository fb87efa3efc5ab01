"""History under another policy: batch after batch, with both results kept and its tier flow (spec 10.5, I-31)."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.batch_actions import NoSuchBatch
from socialanalyzer_dagster.pipeline.policy_versions import Version
from socialanalyzer_dagster.pipeline.rescore import Rescored, rescore
from socialanalyzer_dagster.storage import batches, score_views
from socialanalyzer_dagster.storage.database import Database


def history_since(database: Database, since: datetime) -> list[BatchKey]:
    """The batches made from this instant on that have scores, oldest first."""
    with database.read() as connection:
        return score_views.scored_batches(connection, since)


def rescored_batches(
    database: Database, keys: Sequence[BatchKey], version: Version, now: datetime
) -> Iterator[tuple[BatchKey, Rescored]]:
    """Re-score each batch and yield what came of it; raises NoSuchBatch before anything is done.

    Each batch is stored as it is done: doing it again, after a stop or a crash, gives the same rows.
    """
    ids = {key: _batch_id(database, key) for key in keys}
    for key, batch_id in ids.items():
        yield key, rescore(database, version.policy, batch_id=batch_id, now=now)


def _batch_id(database: Database, key: BatchKey) -> str:
    with database.read() as connection:
        found = batches.batch_by_key(connection, key)
    if found is None:
        raise NoSuchBatch(f"there is no batch '{key}', so there is nothing to re-score")
    return found.batch_id
