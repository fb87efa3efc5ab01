"""What a batch's search brought: distinct identities found, and how many of them were new (spec 5.7)."""

from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.novelty import novelty_rate
from socialanalyzer_dagster.domain.outcomes import Result
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.storage import batch_quality, outcome_sets, searches
from socialanalyzer_dagster.storage.batches import Batch


def record_history(connection: Connection, batch: Batch, *, now: datetime, partial: bool) -> None:
    """Write or refresh the batch's row; the moment of the first complete run stays.

    A search that the vendor cut short is partial too: what it did not show says nothing about novelty.
    """
    earlier = searches.run_of_batch(connection, batch.batch_id)
    counts = outcome_sets.outcome_counts(connection, batch.batch_id)
    new = sum(c.leads for c in counts if c.stage is Stage.DISCOVERED and c.result is Result.PASSED)
    total = outcome_sets.lead_count(connection, batch.batch_id)
    rate = novelty_rate(total, new)
    is_cut = batch_quality.cut_short(connection, batch.batch_id) is not None
    is_partial = is_cut or (partial and (earlier is None or earlier.partial))
    searches.write_history(
        connection,
        searches.PastRun(
            fingerprint=batch.search_fingerprint,
            batch_id=batch.batch_id,
            total_found=total,
            new_found=new,
            novelty_rate=None if rate is None else f"{rate:.3f}",
            partial=is_partial,
            ran_at=earlier.ran_at if earlier is not None and not earlier.partial else now,
        ),
    )
