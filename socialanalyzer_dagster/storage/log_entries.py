"""Warnings and errors of batches: the newest of each batch, kept as long as logs are (spec 13.3, 19.5)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, Select, delete, func, insert, select

from socialanalyzer_dagster.domain.log_fields import FIELDS, Field
from socialanalyzer_dagster.storage.models_health import LogEntryRow
from socialanalyzer_dagster.storage.writes import Results, Write

_STORED = tuple(name for name in FIELDS if name in LogEntryRow.__table__.columns)
KEPT_ENTRIES = 1000
"""Of each batch, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One record; `fields` are those of domain.log_fields that were known."""

    at: datetime
    level: str
    logger: str
    message: str
    exception: str | None
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLogEntries(Write[None]):
    """What one batch logged since the last write."""

    turn: ClassVar[int] = 4

    batch_id: str
    entries: tuple[LogEntry, ...]

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["AddLogEntries"]) -> Results:
        """Store them, and forget all but the newest of those batches."""
        by_batch: dict[str, list[LogEntry]] = defaultdict(list)
        for write in writes:
            by_batch[write.batch_id] += write.entries
        for batch_id, entries in sorted(by_batch.items()):
            connection.execute(insert(LogEntryRow), [_values(batch_id, entry) for entry in entries[-KEPT_ENTRIES:]])
            oldest = _newest(batch_id).with_only_columns(LogEntryRow.id).offset(KEPT_ENTRIES).limit(1).scalar_subquery()
            connection.execute(delete(LogEntryRow).where(LogEntryRow.batch_id == batch_id, LogEntryRow.id <= oldest))
        return [None] * len(writes)


def _values(batch_id: str, entry: LogEntry) -> dict[str, Any]:
    named = {name: entry.fields.get(name) for name in _STORED}
    own = {"at": entry.at, "level": entry.level, "logger": entry.logger, "message": entry.message}
    return {**named, **own, "exception": entry.exception, "batch_id": batch_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """Which entries of a batch: of one level, with a text in their message, at most so many."""

    batch_id: str
    level: str | None = None
    text: str | None = None
    limit: int = 50


def newest_entries(connection: Connection, question: LogQuestion) -> list[dict[str, Any]]:
    """The newest first."""
    wanted = _newest(question.batch_id).limit(question.limit)
    if question.level is not None:
        wanted = wanted.where(LogEntryRow.level == question.level)
    if question.text is not None:
        wanted = wanted.where(LogEntryRow.message.icontains(question.text, autoescape=True))
    return [dict(row) for row in connection.execute(wanted).mappings()]


def _newest(batch_id: str) -> Select[Any]:
    shown = [column for column in LogEntryRow.__table__.columns if column.name not in ("id", "batch_id")]
    return select(*shown).where(LogEntryRow.batch_id == batch_id).order_by(LogEntryRow.id.desc())


def level_counts(connection: Connection, batch_id: str) -> dict[str, int]:
    """How many entries of which level are kept of a batch."""
    counted = select(LogEntryRow.level, func.count()).where(LogEntryRow.batch_id == batch_id)
    return dict(connection.execute(counted.group_by(LogEntryRow.level)).all())
