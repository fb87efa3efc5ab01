"""What vendors reported in the end for jobs that were read to their last page, with the rows they delivered."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, func, select

from socialanalyzer_dagster.domain.types import JsonObject, Stage
from socialanalyzer_dagster.storage.attempts import AttemptState, unpacked
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import ProviderAttemptRow, VendorJobPageRow, VendorJobRow
from socialanalyzer_dagster.storage.vendor_jobs import JobPhase

_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)
_PAGES = table_of(VendorJobPageRow)
_IS_WHOLE = (
    (_JOBS.c.state == JobPhase.READ)
    & (_ATTEMPTS.c.state == AttemptState.SETTLED)
    & _ATTEMPTS.c.error_code.is_(None)
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBill:
    """A job that neither failed nor was ended early: what it might cost, what is booked, and its rows in order."""

    provider: str
    operation: str
    batch_id: str
    reserved_micros: int
    settled_micros: int
    at: datetime
    rows: tuple[JsonObject, ...]


def bills_of(connection: Connection, attempt_keys: Collection[str], providers: Collection[str]) -> list[JobBill]:
    """Those of these sendings that are such jobs of these vendors; others say nothing about prices."""
    return _bills(connection, _ATTEMPTS.c.attempt_key.in_(sorted(attempt_keys)) & _JOBS.c.provider.in_(providers))


def bills_of_search(connection: Connection, batch_id: str, providers: Collection[str]) -> list[JobBill]:
    """Those of a batch's discovery."""
    is_search = (_JOBS.c.batch_id == batch_id) & (_JOBS.c.stage == Stage.DISCOVERED)
    return _bills(connection, is_search & _JOBS.c.provider.in_(providers))


def newest_bills(
    connection: Connection, providers: Collection[str], *, ended_within: tuple[datetime, datetime], least_micros: int
) -> list[JobBill]:
    """The newest one of each operation between two moments that cost at least so much."""
    newest_first = func.row_number().over(
        partition_by=_ATTEMPTS.c.operation, order_by=(_ATTEMPTS.c.finished_at.desc(), _ATTEMPTS.c.attempt_key)
    )
    ranked = (
        select(_ATTEMPTS.c.attempt_key, newest_first.label("place"))
        .join(_JOBS, _JOBS.c.attempt_key == _ATTEMPTS.c.attempt_key)
        .where(
            _IS_WHOLE,
            _JOBS.c.provider.in_(providers),
            _ATTEMPTS.c.finished_at.between(*ended_within),
            _ATTEMPTS.c.settled_micros >= least_micros,
        )
        .subquery()
    )
    return _bills(connection, _ATTEMPTS.c.attempt_key.in_(select(ranked.c.attempt_key).where(ranked.c.place == 1)))


def _bills(connection: Connection, wanted: ColumnElement[bool]) -> list[JobBill]:
    found: Sequence[Any] = connection.execute(
        select(
            _ATTEMPTS.c.attempt_key, _JOBS.c.provider, _ATTEMPTS.c.operation, _JOBS.c.batch_id,
            _ATTEMPTS.c.reserved_micros, _ATTEMPTS.c.settled_micros, _ATTEMPTS.c.finished_at, _PAGES.c.body,
        )
        .join(_JOBS, _JOBS.c.attempt_key == _ATTEMPTS.c.attempt_key)
        .join(_PAGES, _PAGES.c.attempt_key == _ATTEMPTS.c.attempt_key)
        .where(_IS_WHOLE, wanted)
        .order_by(_ATTEMPTS.c.operation, _ATTEMPTS.c.attempt_key, _PAGES.c.offset)
    ).all()  # fmt: skip
    pages: dict[str, dict[bytes, Any]] = defaultdict(dict)
    for row in found:
        pages[row.attempt_key].setdefault(bytes(row.body), row)  # a page that a vendor gave twice was billed once
    return [_bill(list(of_job.values())) for of_job in pages.values()]


def _bill(pages: Sequence[Any]) -> JobBill:
    job = pages[0]
    rows = (row for page in pages for row in cast("list[JsonObject]", unpacked(page.body)))
    return JobBill(
        provider=job.provider,
        operation=job.operation,
        batch_id=job.batch_id,
        reserved_micros=int(job.reserved_micros),
        settled_micros=int(job.settled_micros),
        at=job.finished_at,
        rows=tuple(rows),
    )
