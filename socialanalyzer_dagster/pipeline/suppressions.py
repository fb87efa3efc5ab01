"""Adding a person to the suppression list; nobody can be read back from it (spec 19.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.suppressions import Suppression, add_suppressions, list_suppressions

LISTED = 1000
_EXAMPLES = {"email": "name@site.com", "handle": "platform:handle", "phone": "+1 555 0100"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRequest:
    """Who must not be processed, why, and where the request came from."""

    identifier: Identifier
    reason: str
    source: str
    now: datetime


def add(database: Database, key: str, request: SuppressionRequest) -> bool:
    """True when the person was not on the list yet.

    Raises FilterProblems when the value is no identifier of its kind, WeakKey when the key is too short.
    """
    kind = request.identifier.kind.value
    keyed = identifier_hash(request.identifier, key.encode())
    if keyed is None:
        sentence = f"this is no {kind}; write it like {_EXAMPLES.get(kind, 'https://site.com/name')}"
        raise FilterProblems((FieldProblem("value", sentence),))
    entry = Suppression(kind=kind, keyed_hash=keyed, reason=request.reason, source=request.source, added_at=request.now)
    with database.write() as connection:
        is_new = add_suppressions(connection, [entry]) == 1
        if is_new:
            audit_log.record(connection, at=request.now, actor=request.source, action="suppression.add", subject=keyed)
    return is_new


def entries(database: Database) -> Sequence[Suppression]:
    """The newest entries of the list."""
    with database.read() as connection:
        return list_suppressions(connection, limit=LISTED)
