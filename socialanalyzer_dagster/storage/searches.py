"""Searches by fingerprint, the rows of creator lists and the novelty of past runs (spec 5.6, 5.7, 5.11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, select, update
from sqlalchemy.orm import aliased

from socialanalyzer_dagster.storage.database import insert_new, insert_or_update, table_of
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.models_leads import (
    BatchLeadRow,
    FilterHistoryRow,
    LeadBatchRow,
    ListRowRow,
    SearchRow,
)

FILTERS = "filters"
LIST = "list"
ROWS = "rows"
"""What the search of a list states in place of filters: how many rows the list has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One distinct search; `kind` is filters or list."""

    fingerprint: str
    platform: str
    kind: str
    filters: Mapping[str, Any]
    created_at: datetime


_KIND = select(SearchRow.kind).where(SearchRow.fingerprint == bindparam("of_search"))
_LOCK = _KIND.with_for_update()


def lock_search(connection: Connection, fingerprint: str) -> None:
    """Hold the row of a search until the transaction ends, so that one batch of it is made at a time."""
    connection.execute(_LOCK, {"of_search": fingerprint})


def insert_search(connection: Connection, search: Search) -> None:
    """Store a search unless it is known."""
    row = {name: getattr(search, name) for name in Search.__slots__}
    connection.execute(insert_new(connection, SearchRow), row)


def search_kind(connection: Connection, fingerprint: str) -> str:
    """Whether a stored search is filters or a list."""
    return connection.execute(_KIND, {"of_search": fingerprint}).scalar_one()


def insert_list_rows(connection: Connection, fingerprint: str, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Rows of a creator list by line; a list that is known stays as it is."""
    values = [{"fingerprint": fingerprint, "line": line, "row": dict(row)} for line, row in rows.items()]
    for part in parts(values):
        connection.execute(insert_new(connection, ListRowRow), part)


def replace_list_rows(connection: Connection, fingerprint: str, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Other contents for rows of a creator list, by line."""
    table = table_of(ListRowRow)
    connection.execute(
        update(table)
        .where(table.c.fingerprint == fingerprint, table.c.line == bindparam("of_line"))
        .values(row=bindparam("content")),
        [{"of_line": line, "content": dict(row)} for line, row in rows.items()],
    )


def list_rows(
    connection: Connection, fingerprint: str, *, after: int, limit: int
) -> list[tuple[int, Mapping[str, Any]]]:
    """The next rows of a creator list in file order, after a line."""
    found = connection.execute(
        select(ListRowRow.line, ListRowRow.row)
        .where(ListRowRow.fingerprint == fingerprint, ListRowRow.line > after)
        .order_by(ListRowRow.line)
        .limit(limit)
    )
    return [(line, row) for line, row in found]


def is_list_whole(connection: Connection, fingerprint: str) -> bool:
    """True when as many rows of a list are stored as its search says; one row is enough where it says none."""
    filters = connection.execute(select(SearchRow.filters).where(SearchRow.fingerprint == fingerprint)).scalar_one()
    size = select(func.count()).select_from(ListRowRow).where(ListRowRow.fingerprint == fingerprint)
    return int(connection.execute(size).scalar_one()) >= max(1, int(filters.get(ROWS, 1)))


def forget_list(connection: Connection, fingerprint: str) -> None:
    """Drop a list, unless a batch is of it."""
    used = select(LeadBatchRow.batch_id).where(LeadBatchRow.search_fingerprint == fingerprint)
    rows, search = delete(ListRowRow), delete(SearchRow)
    connection.execute(rows.where(ListRowRow.fingerprint == fingerprint, ~exists(used)))
    connection.execute(search.where(SearchRow.fingerprint == fingerprint, ~exists(used)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """Novelty of one run of a search: distinct identities found and how many were new."""

    fingerprint: str
    batch_id: str
    total_found: int
    new_found: int
    novelty_rate: str | None
    """3 decimals; None when nothing was found."""
    partial: bool
    ran_at: datetime


def write_history(connection: Connection, run: PastRun) -> None:
    """Record a run's novelty; one row per batch, the latest figures win."""
    row = {name: getattr(run, name) for name in PastRun.__slots__}
    changed = ("total_found", "new_found", "novelty_rate", "partial", "ran_at")
    connection.execute(insert_or_update(connection, FilterHistoryRow, keys=("batch_id",), changed=changed), row)


_HISTORY = table_of(FilterHistoryRow)
_RUN = [_HISTORY.c[name] for name in PastRun.__slots__]
_RUNS_OF_SEARCH = (
    select(*_RUN)
    .where(_HISTORY.c.fingerprint == bindparam("of_search"))
    .order_by(_HISTORY.c.ran_at.desc(), _HISTORY.c.id.desc())
    .limit(bindparam("most"))
)


def runs_of_search(connection: Connection, fingerprint: str, limit: int = 20) -> list[PastRun]:
    """The newest runs of a search, partial ones among them."""
    rows = connection.execute(_RUNS_OF_SEARCH, {"of_search": fingerprint, "most": limit})
    return [PastRun(**row._mapping) for row in rows]  # noqa: SLF001


def newest_history(connection: Connection) -> tuple[int, datetime] | None:
    """Number and time of the run of any search that was recorded last; None before the first."""
    newest = select(FilterHistoryRow.id, FilterHistoryRow.ran_at).order_by(FilterHistoryRow.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else (row.id, row.ran_at)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Leads of two runs of a search, and those that both found; `seen` counts the leads of all its runs."""

    first: int
    second: int
    both: int
    seen: int


_OF_SECOND = aliased(BatchLeadRow)
_FOUND_BY_BOTH = (
    select(func.count())
    .select_from(BatchLeadRow)
    .join(_OF_SECOND, _OF_SECOND.lead_uid == BatchLeadRow.lead_uid)
    .where(BatchLeadRow.batch_id == bindparam("first_batch"), _OF_SECOND.batch_id == bindparam("second_batch"))
)
_SEEN = (
    select(func.count(BatchLeadRow.lead_uid.distinct()))
    .join(FilterHistoryRow, FilterHistoryRow.batch_id == BatchLeadRow.batch_id)
    .where(FilterHistoryRow.fingerprint == bindparam("of_search"))
)


def overlap(connection: Connection, fingerprint: str) -> Overlap | None:
    """The two newest complete runs of a search side by side; None before there are two."""
    complete = [run for run in runs_of_search(connection, fingerprint) if not run.partial][:2]
    if len(complete) < 2:
        return None
    second, first = complete
    pair = {"first_batch": first.batch_id, "second_batch": second.batch_id}
    both = connection.execute(_FOUND_BY_BOTH, pair).scalar_one()
    seen = connection.execute(_SEEN, {"of_search": fingerprint}).scalar_one()
    return Overlap(first.total_found, second.total_found, both, seen)


_RUNS_OF_BATCHES = select(*_RUN).where(_HISTORY.c.batch_id.in_(bindparam("batches", expanding=True)))


def run_of_batch(connection: Connection, batch_id: str) -> PastRun | None:
    """What a batch's discovery recorded."""
    return runs_of(connection, [batch_id]).get(batch_id)


def runs_of(connection: Connection, batch_ids: Sequence[str]) -> dict[str, PastRun]:
    """What the discoveries of several batches recorded."""
    found: dict[str, PastRun] = {}
    for part in parts(batch_ids):
        rows = connection.execute(_RUNS_OF_BATCHES, {"batches": part})
        found |= {row.batch_id: PastRun(**row._mapping) for row in rows}  # noqa: SLF001
    return found
