"""Raw results of discovery: one row and one result each, so that their sum equals what was received (spec 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select

from socialanalyzer_dagster.domain.outcomes import ItemResult
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid
from socialanalyzer_dagster.storage.models_leads import FoundItemRow
from socialanalyzer_dagster.storage.outcome_sets import OF_BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """What became of one item; a suppressed person leaves `identity_hash` only."""

    item_no: int
    result: ItemResult
    lead: LeadUid | None = None
    identity_hash: str | None = None
    problem: str | None = None
    raw: JsonValue = None


def insert_items(connection: Connection, batch_id: str, items: Sequence[StoredItem]) -> None:
    """Store the results of new items."""
    rows = [
        {
            "batch_id": batch_id,
            "item_no": item.item_no,
            "result": item.result,
            "lead_uid": item.lead,
            "identity_hash": item.identity_hash,
            "problem": item.problem,
            "raw": item.raw,
        }
        for item in items
    ]
    if rows:
        connection.execute(_NEW, rows)


_NEW = insert(FoundItemRow)
_RESULTS = select(FoundItemRow.item_no, FoundItemRow.result, FoundItemRow.lead_uid).where(
    FoundItemRow.batch_id == OF_BATCH, FoundItemRow.item_no.between(bindparam("first"), bindparam("last"))
)
_COUNTS = (
    select(FoundItemRow.result, func.count()).where(FoundItemRow.batch_id == OF_BATCH).group_by(FoundItemRow.result)
)


def stored_results(
    connection: Connection, batch_id: str, *, first: int, last: int
) -> dict[int, tuple[ItemResult, LeadUid | None]]:
    """Results of the items stored so far, by item number, from the first to the last number."""
    rows = connection.execute(_RESULTS, {"of_batch": batch_id, "first": first, "last": last})
    return {number: (ItemResult(result), LeadUid(uid) if uid else None) for number, result, uid in rows}


def item_counts(connection: Connection, batch_id: str) -> dict[ItemResult, int]:
    """Items by result."""
    rows = connection.execute(_COUNTS, {"of_batch": batch_id})
    return {ItemResult(result): count for result, count in rows}
