"""What discovery leaves of people on the suppression list: their keyed hash, and nothing in pages or lists (19.2)."""

from collections.abc import Sequence

from socialanalyzer_dagster.domain.leads import FoundItem
from socialanalyzer_dagster.domain.suppression import identifiers_of_candidates, identifiers_of_record
from socialanalyzer_dagster.domain.traces import traces_of
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import person_calls, person_texts, searches


def forget_suppressed(batch: OpenBatch, items: Sequence[FoundItem]) -> None:
    """Empty what the finished search stored of suppressed people before it knew who they were.

    Vendor pages are stored as they are read and list rows with the batch; the sorting comes after both.
    """
    if not items:
        return
    with batch.workplace.database.write() as connection:
        if batch.is_list:
            rows = {item.item_no: person_texts.erased_list_row(item.item_no) for item in items}
            searches.replace_list_rows(connection, batch.row.search_fingerprint, rows)
            return
        records = [item.record for item in items if item.record is not None]
        identifiers = [each for record in records for each in identifiers_of_record(record)]
        identifiers += [each for item in items for each in identifiers_of_candidates(item.candidates)]
        traces = traces_of(identifiers, names=[record.display_name for record in records if record.display_name])
        pages = person_calls.pages_about(connection, traces, batch_id=batch.row.batch_id)
        person_calls.blank_pages(connection, traces, pages)
