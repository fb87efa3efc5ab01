"""Queries about lead batches: one row per batch, changed by compare-and-set on its version only (spec 2.4, 18)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from socialanalyzer_dagster.domain.types import BatchKey, PlatformKey, Stage
from socialanalyzer_dagster.storage.database import Upsert, table_of, upsert
from socialanalyzer_dagster.storage.models_leads import BatchStageRow, LeadBatchRow

COMPLETED = ("completed", "completed_empty")
TERMINAL = frozenset({*COMPLETED, "failed", "stopped"})
"""Statuses in which nobody works on a batch; only an explicit retry leaves them (spec 2.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch row as it was read; `version` is what a compare-and-set must name."""

    batch_id: str
    partition_key: BatchKey
    idempotency_key: str
    idempotency_hash: str
    platform: PlatformKey
    day: date
    search_fingerprint: str
    preset_id: str | None
    parent_batch_id: str | None
    note: str | None
    filters: Mapping[str, Any]
    bdr_names: Sequence[str]
    max_leads: int
    canary: int | None
    cap_micros: int
    stop_at_cap: bool
    estimate: Mapping[str, Any]
    estimate_micros: int
    worst_case_micros: int
    force_reason: str | None
    policy_hash: str
    policy_version: str
    mode: str
    status: str
    version: int
    attempt: int
    interruptions: int
    stop_requested: bool
    cause: str | None
    capped: bool
    reused_micros: int
    run_id: str | None
    halted_run_id: str | None
    """The run that must do nothing more, because the batch was halted or ended while it ran."""
    holder: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    summary: str | None
    polished_summary: Mapping[str, Any] | None = None
    """A model's words for the story whose digest is beside them (`pipeline.polishing`)."""
    waits_for: str | None = None
    """The vendor that leads of the batch wait for; it is queued again when that vendor is back, not before
    `waits_until`."""
    waits_until: datetime | None = None
    tier_floor: str | None = None
    """The lowest tier that a person lets into the CRM; None for all of them."""
    plan_only: bool = False
    """The next run makes the plan again, which a person rejected with changes, and attempts or pays nothing else."""

    @property
    def is_terminal(self) -> bool:
        """True when the batch has ended."""
        return self.status in TERMINAL


_BATCHES, _STAGES = table_of(LeadBatchRow), table_of(BatchStageRow)
_COLUMNS = [_BATCHES.c[each.name] for each in fields(Batch)]
_BY_KEY = select(*_COLUMNS).where(_BATCHES.c.partition_key == bindparam("key"))
_BY_ID = select(*_COLUMNS).where(_BATCHES.c.batch_id == bindparam("id"))  # read many times in a run: built once
_WITH_STATUS = (
    select(*_COLUMNS)
    .where(_BATCHES.c.status.in_(bindparam("statuses", expanding=True)))
    .order_by(_BATCHES.c.created_at)
)
_NEWEST_OF_SEARCH = (
    select(*_COLUMNS)
    .where(_BATCHES.c.search_fingerprint == bindparam("fingerprint"))
    .order_by(_BATCHES.c.created_at.desc(), _BATCHES.c.batch_id)
    .limit(1)
)
_OPEN_OF_SEARCH = (
    select(*_COLUMNS)
    .where(
        _BATCHES.c.platform == bindparam("platform"),
        _BATCHES.c.search_fingerprint == bindparam("fingerprint"),
        _BATCHES.c.status.not_in(TERMINAL),
    )
    .order_by(_BATCHES.c.created_at)
    .limit(1)
)
_IN_USE = select(_BATCHES.c.batch_id).where(_BATCHES.c.status.not_in(TERMINAL)).limit(1)
_NEW = insert(_BATCHES)
_OF_BATCH = _BATCHES.c.batch_id == bindparam("of_batch")
_CHANGE = update(_BATCHES).where(_OF_BATCH)
"""Sets the columns that its parameters name, as SQLAlchemy's UPDATE and INSERT do."""
_UNCHANGED = _CHANGE.where(_BATCHES.c.version == bindparam("as_read"))
_LET_GO = _CHANGE.where(_BATCHES.c.run_id == bindparam("of_run")).values(holder=None)
_PROGRESS = select(
    _STAGES.c.stage,
    _STAGES.c.total,
    _STAGES.c.done,
    _STAGES.c.started_at,
    _STAGES.c.finished_at,
    _STAGES.c.busy_milliseconds,
).where(_STAGES.c.batch_id == bindparam("of_batch"))
_STAGE = update(_STAGES).where(_STAGES.c.batch_id == bindparam("of_batch"), _STAGES.c.stage == bindparam("of_stage"))
_END_STAGE = _STAGE.values(finished_at=bindparam("now"))
_COUNT_DONE = _STAGE.values(
    done=_STAGES.c.done + bindparam("leads"),
    busy_milliseconds=_STAGES.c.busy_milliseconds + bindparam("busy"),
)


def _batch(row: Row[Any] | None) -> Batch | None:
    return Batch(**row._mapping) if row is not None else None  # noqa: SLF001 - the public name of a row's mapping


def insert_batch(connection: Connection, batch: Batch) -> None:
    """A new row; raises IntegrityError when its partition key or idempotency key is taken."""
    connection.execute(_NEW, {each.name: getattr(batch, each.name) for each in fields(Batch)})


def batch_by_key(connection: Connection, key: str) -> Batch | None:
    """The batch of a partition key."""
    return _batch(connection.execute(_BY_KEY, {"key": key}).one_or_none())


def batch_by_id(connection: Connection, batch_id: str) -> Batch | None:
    """The batch of an id."""
    return _batch(connection.execute(_BY_ID, {"id": batch_id}).one_or_none())


def batch_by_idempotency_key(connection: Connection, key: str) -> Batch | None:
    """The batch that a request with this key made."""
    return _batch(connection.execute(select(*_COLUMNS).where(LeadBatchRow.idempotency_key == key)).one_or_none())


def taken_keys(connection: Connection, stem: str) -> frozenset[str]:
    """Partition keys that are `stem` or `stem.<n>`."""
    found = connection.execute(
        select(LeadBatchRow.partition_key).where(
            or_(
                LeadBatchRow.partition_key == stem,
                LeadBatchRow.partition_key.startswith(f"{stem}.", autoescape=True),
            )
        )
    )
    return frozenset(found.scalars())


def running_with_fingerprint(connection: Connection, platform: PlatformKey, fingerprint: str) -> Batch | None:
    """A batch of the same search that has not ended (I-45)."""
    names = {"platform": platform, "fingerprint": fingerprint}
    return _batch(connection.execute(_OPEN_OF_SEARCH, names).one_or_none())


def compare_and_set(connection: Connection, batch: Batch, values: Mapping[str, Any]) -> bool:
    """Change a batch that is still the version read; False when somebody else changed it first (I-44)."""
    names = {"of_batch": batch.batch_id, "as_read": batch.version}
    changed = connection.execute(_UNCHANGED, {**values, "version": batch.version + 1, **names})
    return changed.rowcount == 1


def touch(connection: Connection, batch_id: str, now: datetime) -> None:
    """Write the heartbeat; it is no decision and leaves the version alone."""
    connection.execute(_CHANGE, {"of_batch": batch_id, "heartbeat_at": now})


def take_hold(connection: Connection, batch_id: str, *, run_id: str, holder: Mapping[str, Any], now: datetime) -> None:
    """Note who works on the batch; only the holder of its lock may."""
    taken = {"run_id": run_id, "holder": dict(holder), "heartbeat_at": now}
    connection.execute(_CHANGE, {"of_batch": batch_id, **taken})


def halt_run(connection: Connection, batch_id: str, run_id: str) -> None:
    """Note that the stages this run still has to come must do nothing."""
    connection.execute(_CHANGE, {"of_batch": batch_id, "halted_run_id": run_id})


def let_go(connection: Connection, batch_id: str, run_id: str) -> None:
    """Note that nobody works on the batch any more."""
    connection.execute(_LET_GO, {"of_batch": batch_id, "of_run": run_id})


def write_summary(connection: Connection, batch_id: str, text: str) -> None:
    """Store the plain-language summary."""
    connection.execute(_CHANGE, {"of_batch": batch_id, "summary": text})


def write_polished(connection: Connection, batch_id: str, polished: Mapping[str, Any]) -> None:
    """Store what a model made of it."""
    connection.execute(_CHANGE, {"of_batch": batch_id, "polished_summary": dict(polished)})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPage:
    """Which batches to list: newest first, after a cursor."""

    platform: str | None = None
    status: str | None = None
    before: tuple[datetime, str] | None = None
    """Cursor: `created_at` and `batch_id` of the last row of the page before."""
    limit: int = 50


def list_batches(connection: Connection, page: BatchPage) -> list[Batch]:
    """One page of batches (I-54)."""
    query = select(*_COLUMNS).order_by(LeadBatchRow.created_at.desc(), LeadBatchRow.batch_id.desc()).limit(page.limit)
    if page.platform is not None:
        query = query.where(LeadBatchRow.platform == page.platform)
    if page.status is not None:
        query = query.where(LeadBatchRow.status == page.status)
    if page.before is not None:
        at, batch_id = page.before
        query = query.where(
            or_(LeadBatchRow.created_at < at, and_(LeadBatchRow.created_at == at, LeadBatchRow.batch_id < batch_id))
        )
    return [Batch(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001


def newest_of_search(connection: Connection, fingerprint: str) -> Batch | None:
    """The batch of a search that was made last; None when it never ran."""
    return _batch(connection.execute(_NEWEST_OF_SEARCH, {"fingerprint": fingerprint}).one_or_none())


def has_open(connection: Connection) -> bool:
    """True while a batch has not ended."""
    return connection.execute(_IN_USE).first() is not None


def batches_with_status(connection: Connection, statuses: Sequence[str]) -> list[Batch]:
    """Every batch in one of the statuses, oldest first: what sensors look at."""
    found = connection.execute(_WITH_STATUS, {"statuses": list(statuses)})
    return [Batch(**row._mapping) for row in found]  # noqa: SLF001


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """Counters of one stage of a batch."""

    stage: Stage
    total: int
    done: int
    started_at: datetime
    finished_at: datetime | None
    busy_milliseconds: int


def stage_progress(connection: Connection, batch_id: str) -> dict[Stage, StageProgress]:
    """Counters of every stage that was begun."""
    rows = connection.execute(_PROGRESS, {"of_batch": batch_id})
    return {Stage(row.stage): StageProgress(**{**row._mapping, "stage": Stage(row.stage)}) for row in rows}  # noqa: SLF001


def begin_stage(connection: Connection, batch_id: str, stage: Stage, *, total: int, now: datetime) -> None:
    """Open a stage for `total` leads more; a stage that is begun again keeps its first start."""
    row = {"batch_id": batch_id, "stage": stage, "total": total, "done": 0, "started_at": now, "busy_milliseconds": 0}
    connection.execute(_begin_again(upsert(connection, BatchStageRow)), row)


@cache
def _begin_again(into: Upsert) -> Upsert:
    more = {"total": _STAGES.c.done + into.excluded.total, "finished_at": None}
    return into.on_conflict_do_update(index_elements=["batch_id", "stage"], set_=more)


def count_done(connection: Connection, batch_id: str, stage: Stage, *, leads: int, busy_milliseconds: int) -> None:
    """Add finished leads to a stage's counters: two integers, whatever the batch's size (I-52)."""
    added = {"of_batch": batch_id, "of_stage": stage, "leads": leads, "busy": busy_milliseconds}
    connection.execute(_COUNT_DONE, added)


def end_stage(connection: Connection, batch_id: str, stage: Stage, now: datetime) -> None:
    """Mark a stage as gone through; a halted stage is not."""
    connection.execute(_END_STAGE, {"of_batch": batch_id, "of_stage": stage, "now": now})
