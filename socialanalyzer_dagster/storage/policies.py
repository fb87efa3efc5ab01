"""Stored versions of the policy document, exactly one of them active (spec 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from socialanalyzer_dagster.storage.models_control import PolicyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """One stored version; `number` counts from 1 in the order of storing, `diff` is against the one active then."""

    policy_hash: str
    number: int
    policy_version: str
    document: Mapping[str, Any]
    author: str
    note: str
    diff: Mapping[str, Any]
    created_at: datetime
    is_active: bool


_COLUMNS = (
    PolicyRow.policy_hash,
    PolicyRow.number,
    PolicyRow.policy_version,
    PolicyRow.document,
    PolicyRow.author,
    PolicyRow.note,
    PolicyRow.diff,
    PolicyRow.created_at,
    PolicyRow.is_active,
)

_NEW = insert(PolicyRow)
_ACTIVE = select(*_COLUMNS).where(PolicyRow.is_active)
_ACTIVE_HASH = select(PolicyRow.policy_hash).where(PolicyRow.is_active)
_ACTIVE_SINCE = select(PolicyRow.policy_hash, PolicyRow.created_at).where(PolicyRow.is_active)
_BY_HASH = select(*_COLUMNS).where(PolicyRow.policy_hash == bindparam("wanted"))
_NUMBER = select(PolicyRow.number).where(PolicyRow.policy_hash == bindparam("wanted"))
_NEWEST_NUMBER = select(func.max(PolicyRow.number))
_RETIRE = update(PolicyRow).where(PolicyRow.is_active).values(is_active=False)
_ACTIVATE = update(PolicyRow).where(PolicyRow.policy_hash == bindparam("wanted")).values(is_active=True)


def _stored(row: Row[Any] | None) -> StoredPolicy | None:
    return StoredPolicy(**row._mapping) if row is not None else None  # noqa: SLF001


def active(connection: Connection) -> StoredPolicy | None:
    """The active version; None in a home that was never initialised."""
    return _stored(connection.execute(_ACTIVE).one_or_none())


def active_hash(connection: Connection) -> str | None:
    """The digest of the active version; None in a home that was never initialised."""
    return connection.execute(_ACTIVE_HASH).scalar_one_or_none()


def active_since(connection: Connection) -> tuple[str, datetime] | None:
    """The digest of the active version and when it was stored; None in a home that was never initialised."""
    row = connection.execute(_ACTIVE_SINCE).one_or_none()
    return None if row is None else (row.policy_hash, row.created_at)


def by_hash(connection: Connection, policy_hash: str) -> StoredPolicy | None:
    """The version of a digest."""
    return _stored(connection.execute(_BY_HASH, {"wanted": policy_hash}).one_or_none())


def number_of(connection: Connection, policy_hash: str) -> int | None:
    """The number of a version; None when it was never stored."""
    return connection.execute(_NUMBER, {"wanted": policy_hash}).scalar_one_or_none()


def versions(connection: Connection) -> Sequence[StoredPolicy]:
    """Every stored version, newest first."""
    rows = connection.execute(select(*_COLUMNS).order_by(PolicyRow.number.desc()))
    return [StoredPolicy(**row._mapping) for row in rows]  # noqa: SLF001


def next_number(connection: Connection) -> int:
    """Number of the version stored next."""
    return (connection.execute(_NEWEST_NUMBER).scalar_one() or 0) + 1


def insert_policy(connection: Connection, stored: StoredPolicy) -> None:
    """A new version; raises IntegrityError when the same document is stored."""
    connection.execute(_NEW, {name: getattr(stored, name) for name in StoredPolicy.__slots__})


def set_active(connection: Connection, policy_hash: str) -> None:
    """Make one version the active one; no other stays so."""
    connection.execute(_RETIRE)
    connection.execute(_ACTIVATE, {"wanted": policy_hash})
