"""Sums of a batch's ledger and calls for people; without a batch, those of all calls that belong to none."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from socialanalyzer_dagster.storage.ledger import LedgerKind
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow, ProviderAttemptRow


def ledger_sums(connection: Connection, batch_id: str | None) -> Sequence[Any]:
    """Rows (stage, provider, kind, micros, saved) of a batch's ledger; the stage is None without a batch."""
    return connection.execute(
        select(
            LedgerEntryRow.stage,
            LedgerEntryRow.provider,
            LedgerEntryRow.kind,
            func.sum(LedgerEntryRow.amount_micros).label("micros"),
            func.sum(LedgerEntryRow.saved_micros).label("saved"),
        )
        .where(LedgerEntryRow.batch_id == batch_id)
        .group_by(LedgerEntryRow.stage, LedgerEntryRow.provider, LedgerEntryRow.kind)
    ).all()


def billed_micros(connection: Connection) -> int:
    """Micro-USD that all vendors charged, for batches and for none: what their bills must sum to."""
    kinds = (LedgerKind.SETTLED, LedgerKind.CORRECTION)
    total = func.coalesce(func.sum(LedgerEntryRow.amount_micros), 0)
    return int(connection.execute(select(total).where(LedgerEntryRow.kind.in_(kinds))).scalar_one())


def attempt_sums(connection: Connection, batch_id: str | None) -> Sequence[Any]:
    """Rows (operation, state, calls, reserved, settled) of a batch's attempts."""
    return connection.execute(
        select(
            ProviderAttemptRow.operation,
            ProviderAttemptRow.state,
            func.count().label("calls"),
            func.sum(ProviderAttemptRow.reserved_micros).label("reserved"),
            func.sum(ProviderAttemptRow.settled_micros).label("settled"),
        )
        .where(ProviderAttemptRow.batch_id == batch_id)
        .group_by(ProviderAttemptRow.operation, ProviderAttemptRow.state)
    ).all()
