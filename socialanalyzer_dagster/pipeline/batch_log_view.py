"""The warnings and errors of a batch as `batch log` and `batch show` print them; they go when logs go."""

from typing import Any

from socialanalyzer_dagster.pipeline.batch_actions import find_batch
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage.log_entries import LogQuestion, level_counts, newest_entries

SHOWN_WITH_BATCH = 5


def batch_log(
    workplace: Workplace, key: str, *, level: str | None = None, text: str | None = None, limit: int = SHOWN_WITH_BATCH
) -> dict[str, Any]:
    """How many entries of which level are kept, and the newest of those asked for; raises NoSuchBatch."""
    batch = find_batch(workplace, key)
    question = LogQuestion(batch_id=batch.batch_id, level=level, text=text, limit=limit)
    with workplace.database.read() as connection:
        return {"kept": level_counts(connection, batch.batch_id), "newest": newest_entries(connection, question)}
