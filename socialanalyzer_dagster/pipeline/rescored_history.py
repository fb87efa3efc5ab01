"""History under another policy: batch after batch, with both results kept and its tier flow (spec 10.5, I-31)."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from socialanalyzer_dagster.domain.types import BatchKey
from socialanalyzer_dagster.pipeline.policy_versions import Version
from socialanalyzer_dagster.pipeline.rescore import Rescored, rescore
from socialanalyzer_dagster.storage import score_views
from socialanalyzer_dagster.storage.database import Database


class NoSuchBatches(LookupError):
    """Some of the keys name no batch; `keys` are those."""

    def __init__(self, keys: Sequence[BatchKey]) -> None:
        super().__init__(f"there is no batch {', '.join(keys)}; `socialanalyzer batch list` shows those that exist")
        self.keys = keys


def history_since(database: Database, since: datetime) -> list[BatchKey]:
    """The batches made from this instant on that have scores, oldest first."""
    with database.read() as connection:
        return score_views.scored_batches(connection, since)


def rescored_batches(
    database: Database, keys: Sequence[BatchKey], version: Version, now: datetime
) -> Iterator[tuple[BatchKey, Rescored]]:
    """Re-score each batch and yield what came of it; raises NoSuchBatches before anything is done.

    Each batch is stored as it is done: doing it again, after a stop or a crash, gives the same rows.
    """
    with database.read() as connection:
        ids = score_views.batch_ids(connection, keys)
    if missing := [key for key in keys if key not in ids]:
        raise NoSuchBatches(missing)
    for key in keys:
        yield key, rescore(database, version.policy, batch_id=ids[key], now=now)
