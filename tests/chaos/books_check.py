"""The comparison of a database with the books of a history: every scope, sending and ledger row."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from socialanalyzer_dagster.storage.database import Database, table_of
from socialanalyzer_dagster.storage.ledger import LedgerKind
from socialanalyzer_dagster.storage.models_control import BudgetScopeRow, LedgerEntryRow, ProviderAttemptRow
from tests.chaos.books import Books, Place

_SCOPES = select(table_of(BudgetScopeRow)).where(BudgetScopeRow.scope.in_(bindparam("scopes", expanding=True)))
_SENDINGS = select(
    ProviderAttemptRow.attempt_key, ProviderAttemptRow.state, ProviderAttemptRow.settled_micros,
    ProviderAttemptRow.reserved_micros, ProviderAttemptRow.owner,
).where(ProviderAttemptRow.batch_id.in_(bindparam("batches", expanding=True)))  # fmt: skip
_PLACE = (LedgerEntryRow.batch_id, LedgerEntryRow.lead_uid, LedgerEntryRow.kind)
_ROWS = (
    select(*_PLACE, func.sum(LedgerEntryRow.amount_micros), func.count())
    .where(LedgerEntryRow.batch_id.in_(bindparam("batches", expanding=True)))
    .group_by(*_PLACE)
)


def check_books(database: Database, books: Books, batches: Sequence[str]) -> None:
    """Raises AssertionError where the stored money of these batches is not what the books say."""
    with database.read() as connection:
        scopes = connection.execute(_SCOPES, {"scopes": sorted(books.ceilings)}).all()
        sendings = connection.execute(_SENDINGS, {"batches": batches}).all()
        rows = connection.execute(_ROWS, {"batches": batches}).all()
    _check_scopes(books, scopes)
    assert {tuple(row) for row in sendings} == {
        (key, each.state, each.booked, each.attempt.reserved_micros, each.attempt.owner)
        for key, each in books.entries.items()
    }
    found = {(batch, lead, kind): int(total) for batch, lead, kind, total, _ in rows if total}
    assert found == {place: total for place, total in books.ledger.items() if total}
    assert sum(count for *_, count in rows) == books.rows
    for batch in batches:
        _check_sums(books, batch, found)


def _check_scopes(books: Books, scopes: Sequence[Any]) -> None:
    found = {row.scope: (row.settled_micros, row.held_micros, row.unknown_micros) for row in scopes}
    assert found == {scope: books.money_of(scope) for scope in books.ceilings}
    over = {scope: money for scope, money in found.items() if sum(money) > books.ceilings[scope]}
    assert over == {}, "a scope stands above its cap"


def _check_sums(books: Books, batch: str, found: dict[Place, int]) -> None:
    """The ledger's billed and unknown money is that of the batch's scope."""
    settled, _, unknown = books.money_of(f"batch:{batch}")
    of_kind: Counter[str] = Counter()
    for (batch_id, _, kind), total in found.items():
        of_kind[kind] += total if batch_id == batch else 0
    assert of_kind[LedgerKind.SETTLED] + of_kind[LedgerKind.CORRECTION] == settled
    assert of_kind[LedgerKind.UNKNOWN] + of_kind[LedgerKind.RESOLVED] == unknown
