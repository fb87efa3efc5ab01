"""The suppression list: keyed hashes only, and a revision that says when to read it again (spec 19.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from socialanalyzer_dagster.storage.database import insert_new, table_of
from socialanalyzer_dagster.storage.models_control import InstallSettingRow, SuppressionRow

_REVISION = "suppression_revision"
_SETTINGS = table_of(InstallSettingRow)
_READ_REVISION = select(_SETTINGS.c.value).where(_SETTINGS.c.name == _REVISION)
_HOLD_REVISION = _READ_REVISION.with_for_update(read=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One person to leave alone, by the keyed hash of one identifier."""

    kind: str
    keyed_hash: str
    reason: str
    source: str
    added_at: datetime


def add_suppressions(connection: Connection, entries: Sequence[Suppression]) -> int:
    """Store entries that are new and raise the revision; returns how many were new.

    With `lift_suppression` the only way to write the list: running gates would not see a row without a new revision.
    """
    known = set(hashes(connection))
    rows = {(entry.kind, entry.keyed_hash): entry for entry in entries}
    new = [entry for key, entry in rows.items() if key not in known]
    if new:
        connection.execute(
            insert_new(connection, SuppressionRow),
            [
                {
                    "kind": e.kind,
                    "keyed_hash": e.keyed_hash,
                    "reason": e.reason,
                    "source": e.source,
                    "added_at": e.added_at,
                }
                for e in new
            ],
        )
        _raise_revision(connection)
    return len(new)


def list_suppressions(
    connection: Connection, *, limit: int, after: tuple[datetime, str] | None = None
) -> list[Suppression]:
    """Entries from newest to oldest, `limit` at a time, behind (added_at, hash) of the last one seen (I-54)."""
    columns = table_of(SuppressionRow).c
    query = select(columns.kind, columns.keyed_hash, columns.reason, columns.source, columns.added_at)
    if after is not None:
        at, last_hash = after
        query = query.where((columns.added_at < at) | ((columns.added_at == at) & (columns.keyed_hash > last_hash)))
    rows = connection.execute(query.order_by(columns.added_at.desc(), columns.keyed_hash).limit(limit))
    return [Suppression(**row) for row in rows.mappings()]


def lift_suppression(connection: Connection, kind: str, keyed_hash: str) -> bool:
    """Take one entry off the list and raise the revision; False when it is not there."""
    table = table_of(SuppressionRow)
    gone = connection.execute(table.delete().where(table.c.kind == kind, table.c.keyed_hash == keyed_hash))
    if gone.rowcount:
        _raise_revision(connection)
    return gone.rowcount == 1


def hashes(connection: Connection, *, source: str | None = None) -> frozenset[tuple[str, str]]:
    """Every (kind, keyed hash), or those that came from one source."""
    query = select(SuppressionRow.kind, SuppressionRow.keyed_hash)
    query = query.where(SuppressionRow.source == source) if source is not None else query
    return frozenset((kind, keyed) for kind, keyed in connection.execute(query))


def suppression_revision(connection: Connection) -> int:
    """A number that grows with every change of the list."""
    value = connection.execute(_READ_REVISION).scalar_one_or_none()
    return int(value) if value is not None else 0


def held_revision(connection: Connection) -> int:
    """As `suppression_revision`, and the list does not change before the transaction ends."""
    value = connection.execute(_HOLD_REVISION).scalar_one_or_none()
    return int(value) if value is not None else 0


def _raise_revision(connection: Connection) -> None:
    connection.execute(insert_new(connection, InstallSettingRow), {"name": _REVISION, "value": "0"})
    locked = connection.execute(select(_SETTINGS.c.value).where(_SETTINGS.c.name == _REVISION).with_for_update())
    following = str(int(locked.scalar_one()) + 1)
    connection.execute(_SETTINGS.update().where(_SETTINGS.c.name == _REVISION).values(value=following))
