"""What vendors say later about sendings: their figures replace those booked, and lost answers are settled (12.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from socialanalyzer_dagster.storage.attempts import Attempt, AttemptState, attempts_where, find_attempts, load_attempts
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import ProviderAttemptRow, VendorJobRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow
from socialanalyzer_dagster.storage.money import Correct, Finish
from socialanalyzer_dagster.storage.writes import Results, Write

_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectTo(Write[int]):
    """A vendor's own figure for a sending; gives the difference that was booked.

    A settled sending is corrected by what the figure differs from what is booked by now, however often it is told; a
    lost one is settled with it, and with the code of its failure: without one its answer counts as whole. Any other is
    left as it is. A job of the sending was looked at then.
    """

    attempt: Attempt
    reported_micros: int
    at: datetime
    error_code: str | None

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["CorrectTo"]) -> Results:
        """One after the other, so that a figure told twice is booked once."""
        return [_correct(connection, write) for write in writes]


def _correct(connection: Connection, write: CorrectTo) -> int:
    key = write.attempt.attempt_key
    connection.execute(update(_JOBS).where(_JOBS.c.attempt_key == key).values(polled_at=write.at))
    row = connection.execute(
        select(_ATTEMPTS.c.state, _ATTEMPTS.c.settled_micros).where(_ATTEMPTS.c.attempt_key == key).with_for_update()
    ).one()
    if row.state == AttemptState.UNKNOWN:
        amount = write.reported_micros
        settled = Finish(
            attempt=write.attempt,
            state=AttemptState.SETTLED,
            at=write.at,
            amount_micros=amount,
            error_code=write.error_code,
        )
        Finish.apply(connection, [settled])
        return amount
    difference = write.reported_micros - int(row.settled_micros)
    if row.state != AttemptState.SETTLED or not difference:
        return 0
    Correct.apply(connection, [Correct(attempt=write.attempt, difference_micros=difference, at=write.at)])
    return difference


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedSums:
    """A vendor's money in our books, in micro-USD."""

    vendor: str
    settled_micros: int
    unknown_micros: int
    held_micros: int


def booked_sums(connection: Connection, batch_id: str | None) -> list[BookedSums]:
    """Per vendor, of one batch or of all."""
    columns = _ATTEMPTS.c
    query = select(columns.provider, columns.state, func.sum(columns.settled_micros), func.sum(columns.reserved_micros))
    if batch_id is not None:
        query = query.where(columns.batch_id == batch_id)
    sums: dict[str, dict[str, int]] = {}
    for provider, state, settled, reserved in connection.execute(query.group_by(columns.provider, columns.state)):
        sums.setdefault(provider, {})[state] = int(settled if state == AttemptState.SETTLED else reserved)
    return [
        BookedSums(
            vendor=vendor,
            settled_micros=by_state.get(AttemptState.SETTLED, 0),
            unknown_micros=by_state.get(AttemptState.UNKNOWN, 0),
            held_micros=by_state.get(AttemptState.RESERVED, 0),
        )
        for vendor, by_state in sorted(sums.items())
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSending:
    """A sending whose money is held: its answer was lost, or it is still out. Some belong to no batch."""

    attempt_key: str
    vendor: str
    operation: str
    batch_key: str | None
    state: str
    reserved_micros: int
    reserved_at: datetime
    error_code: str | None


def open_sendings(connection: Connection, batch_id: str | None) -> list[OpenSending]:
    """Unknown and held sendings of one batch, or of all and of none, oldest first."""
    columns = _ATTEMPTS.c
    query = (
        select(
            columns.attempt_key, columns.provider, columns.operation, LeadBatchRow.partition_key, columns.state,
            columns.reserved_micros, columns.reserved_at, columns.error_code,
        )
        .join_from(_ATTEMPTS, LeadBatchRow, LeadBatchRow.batch_id == columns.batch_id, isouter=True)
        .where(columns.state.in_([AttemptState.UNKNOWN.value, AttemptState.RESERVED.value]))
        .order_by(columns.reserved_at, columns.attempt_key)
    )  # fmt: skip
    if batch_id is not None:
        query = query.where(columns.batch_id == batch_id)
    return [
        OpenSending(
            attempt_key=row.attempt_key, vendor=row.provider, operation=row.operation, batch_key=row.partition_key,
            state=row.state, reserved_micros=row.reserved_micros, reserved_at=row.reserved_at,
            error_code=row.error_code,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def sent_jobs(connection: Connection, batch_id: str | None, since: datetime) -> list[tuple[Attempt, str]]:
    """Sendings that run as a job at a vendor since a moment, with the vendor's id of it, oldest first."""
    query = select(VendorJobRow.attempt_key, VendorJobRow.job_id).where(
        VendorJobRow.job_id.is_not(None), VendorJobRow.created_at >= since
    )
    if batch_id is not None:
        query = query.where(VendorJobRow.batch_id == batch_id)
    ids: dict[str, Any] = {row.attempt_key: row.job_id for row in connection.execute(query)}
    attempts = load_attempts(connection, ids)
    return [(each, ids[each.attempt_key]) for each in sorted(attempts, key=lambda each: each.reserved_at)]


def costs_read_once(
    connection: Connection, providers: Sequence[str], *, ended_within: tuple[datetime, datetime], again_after: timedelta
) -> list[tuple[Attempt, str]]:
    """Booked jobs, with the vendor's id, that nobody looked at so long after their end, oldest first.

    They are found by the batches that were worked on since then, so that this costs little in a long history.
    """
    worked_on = func.coalesce(LeadBatchRow.heartbeat_at, LeadBatchRow.created_at)
    query = (
        select(_JOBS.c.attempt_key, _JOBS.c.job_id, _JOBS.c.polled_at, _ATTEMPTS.c.finished_at)
        .join(LeadBatchRow, LeadBatchRow.batch_id == _JOBS.c.batch_id)
        .join(_ATTEMPTS, _ATTEMPTS.c.attempt_key == _JOBS.c.attempt_key)
        .where(
            worked_on >= ended_within[0],
            _JOBS.c.provider.in_(providers),
            _ATTEMPTS.c.state == AttemptState.SETTLED,
            _ATTEMPTS.c.finished_at.between(*ended_within),
            _JOBS.c.job_id.is_not(None),
        )
    )
    ids: dict[str, Any] = {
        row.attempt_key: row.job_id
        for row in connection.execute(query)
        if row.polled_at is None or row.polled_at < row.finished_at + again_after
    }
    attempts = load_attempts(connection, ids)
    return [(each, ids[each.attempt_key]) for each in sorted(attempts, key=lambda each: each.reserved_at)]


def sendings_like(connection: Connection, prefix: str) -> list[tuple[Attempt, AttemptState]]:
    """The sendings whose key begins so, at most two: more than one is not clear enough."""
    condition = _ATTEMPTS.c.attempt_key.startswith(prefix, autoescape=True)
    found = find_attempts(connection, attempts_where(condition))[:2]
    states = connection.execute(select(_ATTEMPTS.c.attempt_key, _ATTEMPTS.c.state).where(condition))
    by_key = {row.attempt_key: AttemptState(row.state) for row in states}
    return [(each, by_key[each.attempt_key]) for each in found]
