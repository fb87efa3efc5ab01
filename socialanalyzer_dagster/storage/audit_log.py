"""The append-only record of who did what: approvals, cap changes, policy activations, suppressions (spec 19.6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from socialanalyzer_dagster.storage.models_control import AuditEntryRow

_NEW = insert(AuditEntryRow)
_LAST_AT = select(func.max(AuditEntryRow.at)).where(
    AuditEntryRow.action == bindparam("action"), AuditEntryRow.subject == bindparam("subject")
)


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did something when, and what was written down about it."""

    at: datetime
    actor: str
    detail: Mapping[str, Any]


def record(connection: Connection, *, at: datetime, actor: str, action: str, subject: str, **detail: Any) -> None:  # noqa: ANN401
    """One entry in the caller's transaction; `detail` holds values and people's words, which an erasure searches."""
    entry: Mapping[str, Any] = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": detail}
    connection.execute(_NEW, entry)


def last_subject(connection: Connection, *, actor: str, action: str) -> str | None:
    """What somebody did this to last; None when they never did."""
    of_actor = select(AuditEntryRow.subject).where(AuditEntryRow.actor == actor, AuditEntryRow.action == action)
    return connection.execute(of_actor.order_by(AuditEntryRow.id.desc()).limit(1)).scalar_one_or_none()


def last_at(connection: Connection, *, action: str, subject: str) -> datetime | None:
    """When somebody did this to the subject last; None when nobody did."""
    return connection.execute(_LAST_AT, {"action": action, "subject": subject}).scalar_one()


def last_of_each(connection: Connection, *, action: str) -> dict[str, Deed]:
    """By subject, the newest entry of an action that is done seldom: every one of its entries is read."""
    row = AuditEntryRow
    found = select(row.subject, row.at, row.actor, row.detail).where(row.action == action).order_by(row.id)
    return {subject: Deed(at, actor, detail) for subject, at, actor, detail in connection.execute(found)}
