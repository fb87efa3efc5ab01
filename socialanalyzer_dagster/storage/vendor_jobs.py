"""Paid asynchronous jobs as stored: planned before they are bought, found again by their request (I-25)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Connection, bindparam, insert, select, update

from socialanalyzer_dagster.domain.types import JsonObject
from socialanalyzer_dagster.storage.attempts import (
    Attempt,
    AttemptState,
    CallHistory,
    FindAnswer,
    history,
    load_attempts,
    sendings,
    unpacked,
)
from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.models_control import ProviderAttemptRow, VendorJobPageRow, VendorJobRow
from socialanalyzer_dagster.storage.writes import Results, Write

_ATTEMPTS = table_of(ProviderAttemptRow)
_JOBS = table_of(VendorJobRow)
_PAGES = table_of(VendorJobPageRow)
_CHANGE = update(_JOBS).where(_JOBS.c.attempt_key == bindparam("of_key"))


class JobPhase(StrEnum):
    """How far a stored job is: bought, at work, done at the vendor, read to its last page, or failed.

    `expired` = its pages were removed (spec 19.4, 19.5): it is never read again, least of all as a job without items.
    """

    PLANNED = "planned"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"


OPEN_PHASES = (JobPhase.PLANNED, JobPhase.RUNNING, JobPhase.SUCCEEDED)
"""A job in one of these is resumed, never bought again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVendorJob:
    """A job row with its sending; `settled` when the vendor's charge is booked."""

    attempt: Attempt
    phase: JobPhase
    job_id: str | None
    dataset_id: str | None
    next_offset: int | None
    request: JsonObject
    created_at: datetime
    settled: bool
    error_code: str | None
    cost_micros: int
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistory:
    """What is stored about a job's request; `job` is to be resumed (this batch's) or reused (finished)."""

    job: StoredVendorJob | None
    calls: CallHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class FindJob(Write[JobHistory]):
    """Look for this batch's job of the same stage, step and request, else for a finished one that may be reused."""

    call: FindAnswer
    stage: str
    step: str

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["FindJob"]) -> Results:
        """Look them up one by one: there are few jobs, and each is a chunk's work."""
        return [_find(connection, write) for write in writes]


def _find(connection: Connection, find: FindJob) -> JobHistory:
    call = find.call
    rows = sendings(connection, [call.fingerprint])[call.fingerprint]
    jobs = load_jobs(connection, [row.attempt_key for row in rows])
    own = [
        job
        for job in jobs
        if (job.attempt.batch_id, job.attempt.stage, job.attempt.step) == (call.batch_id, find.stage, find.step)
    ]
    usable = [job for job in own if job.phase in OPEN_PHASES] or [job for job in own if job.phase is JobPhase.READ]
    if not usable and call.reusable_since is not None:
        since = call.reusable_since
        usable = [
            job
            for job in jobs
            if job.phase is JobPhase.READ and job.settled and job.error_code is None
            if job.finished_at is not None and job.finished_at >= since
        ]
    return JobHistory(job=usable[-1] if usable else None, calls=history(call, rows, None))


_OF_ATTEMPTS = (
    select(
        _JOBS,
        _ATTEMPTS.c.state.label("money"),
        _ATTEMPTS.c.settled_micros,
        _ATTEMPTS.c.finished_at,
        _ATTEMPTS.c.error_code,
    )
    .join_from(_JOBS, _ATTEMPTS, _ATTEMPTS.c.attempt_key == _JOBS.c.attempt_key)
    .where(_JOBS.c.attempt_key.in_(bindparam("keys", expanding=True)))
    .order_by(_JOBS.c.created_at, _JOBS.c.attempt_key)
)


def load_jobs(connection: Connection, attempt_keys: Sequence[str]) -> list[StoredVendorJob]:
    """Stored jobs, oldest first."""
    if not attempt_keys:
        return []
    attempts = {each.attempt_key: each for each in load_attempts(connection, attempt_keys)}
    rows = connection.execute(_OF_ATTEMPTS, {"keys": sorted(attempts)})
    return [
        StoredVendorJob(
            attempt=attempts[row.attempt_key],
            phase=JobPhase(row.state),
            job_id=row.job_id,
            dataset_id=row.dataset_id,
            next_offset=row.next_offset,
            request=row.request,
            created_at=row.created_at,
            settled=row.money == AttemptState.SETTLED,
            error_code=row.error_code,
            cost_micros=row.settled_micros,
            finished_at=row.finished_at,
        )
        for row in rows
    ]


_OF_STEP = select(_JOBS.c.attempt_key).where(
    _JOBS.c.batch_id == bindparam("of_batch"),
    _JOBS.c.stage == bindparam("of_stage"),
    _JOBS.c.step == bindparam("of_step"),
    _JOBS.c.state != JobPhase.EXPIRED,
)


def jobs_of_step(connection: Connection, batch_id: str, stage: str, step: str) -> list[StoredVendorJob]:
    """All jobs that one step of a batch stored, oldest first; expired ones have no composition left to replay."""
    keys = connection.execute(_OF_STEP, {"of_batch": batch_id, "of_stage": stage, "of_step": step})
    return load_jobs(connection, list(keys.scalars()))


def has_bought(connection: Connection, batch_id: str, stage: str) -> bool:
    """True when a stage of the batch paid for something, holds money for what it is buying, or bought an open job.

    An open job whose money counts as unknown, because nobody waited for it any more, is resumed and not bought again.
    """
    columns, is_open = _ATTEMPTS.c, _JOBS.c.job_id.is_not(None) & _JOBS.c.state.in_(OPEN_PHASES)
    is_bought = columns.state.in_((AttemptState.RESERVED, AttemptState.SETTLED))
    open_jobs = select(_JOBS.c.attempt_key).where(_JOBS.c.batch_id == batch_id, is_open)
    query = select(columns.attempt_key).where(
        columns.batch_id == batch_id, columns.stage == stage, is_bought | columns.attempt_key.in_(open_jobs)
    )
    return connection.execute(query.limit(1)).first() is not None


def known_job_ids(connection: Connection, provider: str, job_ids: Sequence[str]) -> frozenset[str]:
    """Those of the vendor's job ids that some row already names."""
    found = connection.execute(select(_JOBS.c.job_id).where(_JOBS.c.provider == provider, _JOBS.c.job_id.in_(job_ids)))
    return frozenset(job_id for job_id in found.scalars() if job_id is not None)


def load_items(connection: Connection, attempt_key: str) -> list[JsonObject]:
    """The items of all stored pages, in the vendor's order."""
    pages = connection.execute(
        select(_PAGES.c.body).where(_PAGES.c.attempt_key == attempt_key).order_by(_PAGES.c.offset)
    )
    return [item for body in pages.scalars() for item in cast("list[JsonObject]", unpacked(body))]


def planned_row(attempt: Attempt, request: Mapping[str, Any]) -> dict[str, Any]:
    """A job row as it is before the job is bought, with its leads in order."""
    return {
        "attempt_key": attempt.attempt_key,
        "provider": attempt.provider,
        "operation": attempt.operation,
        "batch_id": attempt.batch_id,
        "stage": attempt.stage,
        "step": attempt.step,
        "leads": list(attempt.leads),
        "request": dict(request),
        "state": JobPhase.PLANNED.value,
        "created_at": attempt.reserved_at,
    }


def insert_planned(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Store planned jobs."""
    connection.execute(insert(_JOBS), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveJob(Write[None]):
    """Where a job stands now; None leaves id and dataset as they are."""

    attempt_key: str
    phase: JobPhase
    polled_at: datetime
    job_id: str | None = None
    dataset_id: str | None = None

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["SaveJob"]) -> Results:
        """Update the rows in order."""
        for write in writes:
            ids = {"job_id": write.job_id, "dataset_id": write.dataset_id}
            known = {name: value for name, value in ids.items() if value is not None}
            stand = {"of_key": write.attempt_key, "state": write.phase.value, "polled_at": write.polled_at}
            connection.execute(_CHANGE, stand | known)
        return [None] * len(writes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavePage(Write[None]):
    """One page of a job's items; reading goes on at `next_offset`; None = the last page, which makes the job read."""

    attempt_key: str
    offset: int
    body: bytes
    next_offset: int | None

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["SavePage"]) -> Results:
        """Store the pages and move the cursors; a page that is stored stays as it is."""
        pages = [{"attempt_key": w.attempt_key, "offset": w.offset, "body": w.body} for w in writes]
        connection.execute(insert_new(connection, VendorJobPageRow), pages)
        cursors = [
            {
                "of_key": write.attempt_key,
                "next_offset": write.next_offset,
                "state": (JobPhase.READ if write.next_offset is None else JobPhase.SUCCEEDED).value,
            }
            for write in writes
        ]
        connection.execute(_CHANGE, cursors)
        return [None] * len(writes)
