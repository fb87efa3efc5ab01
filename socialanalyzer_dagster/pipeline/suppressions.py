"""Adding to and reading the suppression list; reading never reveals a person (spec 19.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage.database import Database, upsert
from socialanalyzer_dagster.storage.models_control import SuppressionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRequest:
    """Who must not be processed, why, and where the request came from."""

    identifier: Identifier
    reason: str
    source: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionEntry:
    """One entry of the list: a keyed hash, from which nobody can be read back."""

    kind: str
    keyed_hash: str
    reason: str
    source: str
    added_at: datetime


def add(database: Database, key: str, request: SuppressionRequest) -> bool:
    """True when the person was not on the list yet.

    Raises FilterProblems when the value is no identifier of its kind, WeakKey when the key is too short.
    """
    keyed = identifier_hash(request.identifier, key.encode())
    if keyed is None:
        example = {"email": "name@site.com", "handle": "platform:handle", "phone": "+1 555 0100"}
        kind = request.identifier.kind.value
        sentence = f"this is no {kind}; write it like {example.get(kind, 'https://site.com/name')}"
        raise FilterProblems((FieldProblem("value", sentence),))
    with database.write() as connection:
        statement = upsert(connection, SuppressionRow).values(
            kind=request.identifier.kind.value,
            keyed_hash=keyed,
            reason=request.reason,
            source=request.source,
            added_at=request.now,
        )
        is_new = connection.execute(statement.on_conflict_do_nothing()).rowcount == 1
        if is_new:
            audit_log.record(
                connection, at=request.now, actor=request.source, action="suppression.add", subject=keyed
            )
    return is_new


def entries(database: Database) -> Sequence[SuppressionEntry]:
    """The whole list, oldest first."""
    columns = (
        SuppressionRow.kind,
        SuppressionRow.keyed_hash,
        SuppressionRow.reason,
        SuppressionRow.source,
        SuppressionRow.added_at,
    )
    with database.read() as connection:
        rows = connection.execute(select(*columns).order_by(SuppressionRow.added_at, SuppressionRow.keyed_hash)).all()
    return [
        SuppressionEntry(kind=kind, keyed_hash=keyed, reason=reason, source=source, added_at=added_at)
        for kind, keyed, reason, source, added_at in rows
    ]
