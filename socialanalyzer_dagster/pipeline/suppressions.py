"""Adding a person to the suppression list; nobody can be read back from it (spec 19.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.leads import Identifier
from socialanalyzer_dagster.domain.suppression import identifier_hash
from socialanalyzer_dagster.storage import audit_log
from socialanalyzer_dagster.storage.database import Database
from socialanalyzer_dagster.storage.suppressions import (
    Suppression,
    add_suppressions,
    lift_suppression,
    list_suppressions,
)

LISTED = 1000
_EXAMPLES = {"email": "name@site.com", "handle": "platform:handle", "phone": "+1 555 0100"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionRequest:
    """Who must not be processed, why, and where the request came from."""

    identifier: Identifier
    reason: str
    source: str
    now: datetime


def add(database: Database, key: bytes, request: SuppressionRequest) -> bool:
    """True when the person was not on the list yet.

    Raises FilterProblems when the value is no identifier of its kind, WeakKey when the key is too short.
    """
    kind, keyed = _keyed(request.identifier, key)
    refuse_personal_reason(request.reason)
    entry = Suppression(kind=kind, keyed_hash=keyed, reason=request.reason, source=request.source, added_at=request.now)
    with database.write() as connection:
        is_new = add_suppressions(connection, [entry]) == 1
        if is_new:
            audit_log.record(connection, at=request.now, actor=request.source, action="suppression.add", subject=keyed)
    return is_new


def lift(database: Database, key: bytes, request: SuppressionRequest) -> bool:
    """Take a person off the list, one spelling at a time; False when they are not on it. `source` is who lifts it.

    For an administrator with a reason, which the audit keeps (spec 19.2). Raises what `add` raises.
    """
    kind, keyed = _keyed(request.identifier, key)
    refuse_personal_reason(request.reason)
    with database.write() as connection:
        was_listed = lift_suppression(connection, kind, keyed)
        if was_listed:
            audit_log.record(
                connection, at=request.now, actor=request.source, action="suppression.lift", subject=keyed,
                reason=request.reason,
            )  # fmt: skip
    return was_listed


def refuse_personal_reason(reason: str) -> None:
    """Raises FilterProblems for a reason that is empty or names somebody: it is kept for good, and by nobody's name."""
    if not reason.strip():
        raise FilterProblems((FieldProblem("reason", "say why, in a few words"),))
    if "@" in reason or "://" in reason:
        raise FilterProblems((FieldProblem("reason", "write no address, handle or link into it: it is kept for good"),))


def _keyed(identifier: Identifier, key: bytes) -> tuple[str, str]:
    kind = identifier.kind.value
    keyed = identifier_hash(identifier, key)
    if keyed is None:
        sentence = f"this is no {kind}; write it like {_EXAMPLES.get(kind, 'https://site.com/name')}"
        raise FilterProblems((FieldProblem("value", sentence),))
    return kind, keyed


def entries(database: Database) -> Sequence[Suppression]:
    """The newest entries of the list."""
    with database.read() as connection:
        return list_suppressions(connection, limit=LISTED)
