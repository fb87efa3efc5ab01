"""Creator lists in the database: their rows are kept there from the creation of a batch on, a part at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from socialanalyzer_dagster.domain.creator_lists import AnyRow, Check, CreatorList, ListRow, UnusableRow
from socialanalyzer_dagster.domain.leads import FoundItem
from socialanalyzer_dagster.domain.list_columns import ListRefused
from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.types import PlatformKey
from socialanalyzer_dagster.pipeline.batch_drafts import list_row_from_json, list_row_json
from socialanalyzer_dagster.pipeline.discovery_privacy import Listed
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.storage import searches
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.found_items import StoredItem
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.person_texts import erased_list_row

_PART = 1000
_LEAST_ROWS, _MOST_ROWS = 100, 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """For which platform a list is, by which check, whom a row names, since when; `key` is the suppression key."""

    platform: PlatformKey
    check: Check
    item: Callable[[ListRow], FoundItem]
    key: bytes
    at: datetime


def keep_list(database: Database, listed: CreatorList, of: ListOf) -> None:
    """Store the rows of a list unless it is stored wholly; each part is a transaction of its own.

    Of a person on the suppression list a row keeps the line alone. What a killed process left is completed.
    Raises ListRefused when the list was changed since it was summarised; then nothing of it stays.
    """
    summary = listed.summary(of.platform, of.check)
    rows = summary.usable + summary.unusable
    fingerprint = summary.fingerprint
    with database.write() as connection:
        search = searches.Search(
            fingerprint=fingerprint,
            platform=of.platform,
            kind=searches.LIST,
            filters={searches.ROWS: rows},
            created_at=of.at,
        )
        searches.insert_search(connection, search)
        if searches.is_list_whole(connection, fingerprint):
            return
        suppressed = Listed.read(connection, of.key)
    try:
        for part in parts(listed.checked_rows(of.platform, of.check), _PART):
            with database.write() as connection:
                suppressed = suppressed.held(connection)
                stored = {row.line: _stored(row, of, suppressed) for row in part}
                searches.insert_list_rows(connection, fingerprint, stored)
    except ListRefused:
        with database.write() as connection:
            searches.forget_list(connection, fingerprint)
        raise


def _stored(row: AnyRow, of: ListOf, suppressed: Listed) -> dict[str, Any]:
    item = of.item(row) if isinstance(row, ListRow) else None
    is_suppressed = item is not None and suppressed.hash_of(item.record, item.candidates) is not None
    return erased_list_row(row.line) if is_suppressed else list_row_json(row)


def list_window(batch: OpenBatch, *, after: int, room: int) -> list[AnyRow]:
    """The next rows of the batch's list after a line: as many as there is room for leads, within bounds."""
    limit = max(_LEAST_ROWS, min(_MOST_ROWS, room or _MOST_ROWS))
    with batch.workplace.database.read() as connection:
        rows = searches.list_rows(connection, batch.row.search_fingerprint, after=after, limit=limit)
    return [list_row_from_json(row) for _, row in rows]


def items_of(batch: OpenBatch, rows: Sequence[AnyRow]) -> list[FoundItem]:
    """Rows as found items; their number is their line."""
    return [
        FoundItem(item_no=row.line, record=None, problem=row.result, problem_text=row.reason)
        if isinstance(row, UnusableRow)
        else batch.platform.from_list_row(row, batch.policy, batch.row.created_at)
        for row in rows
    ]


def left_over(row: AnyRow) -> StoredItem:
    """A row that nobody looks at, because the batch has its leads; an unusable one keeps its reason."""
    if isinstance(row, UnusableRow):
        return StoredItem(item_no=row.line, result=row.result, problem=row.reason)
    return StoredItem(item_no=row.line, result=ItemResult.OVER_MAX_RESULTS)
