"""Rows of the append-only ledger: what every lead cost, to the micro (spec 12.4, I-29).

`settled` and `correction` rows are the vendors' bills; `unknown` holds the worst case of a lost answer and `resolved`
takes it back; `reuse` costs nothing and says what was saved: the price of an answer that another batch paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select

from socialanalyzer_dagster.domain.money import split_exactly
from socialanalyzer_dagster.storage.attempts import Attempt
from socialanalyzer_dagster.storage.database import table_of
from socialanalyzer_dagster.storage.models_control import LedgerEntryRow
from socialanalyzer_dagster.storage.writes import Results, Write

_LEDGER = table_of(LedgerEntryRow)
_INSERT = insert(_LEDGER)


class LedgerKind(StrEnum):
    """What a ledger row stands for."""

    SETTLED = "settled"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    CORRECTION = "correction"
    REUSE = "reuse"


def ledger_rows(attempt: Attempt, kind: LedgerKind, amount_micros: int, at: datetime) -> list[dict[str, Any]]:
    """One row per lead with its exact share, the remainder on the first ones; without leads one row that none bears."""
    sign = -1 if amount_micros < 0 else 1
    owners: Sequence[str | None] = attempt.leads or (None,)
    shares = split_exactly(abs(amount_micros), len(owners))
    return [
        _row(attempt, kind, at, lead) | {"amount_micros": sign * share}
        for lead, share in zip(owners, shares, strict=True)
    ]


def batch_row(attempt: Attempt, kind: LedgerKind, amount_micros: int, at: datetime) -> dict[str, Any]:
    """One row that no lead bears."""
    return _row(attempt, kind, at, None) | {"amount_micros": amount_micros}


def insert_rows(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Append rows."""
    if rows:
        connection.execute(_INSERT, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReuse(Write[None]):
    """An answer that was given again: amount 0; one row per batch, sending, stage, step and lead.

    `attempt` describes the call that asked; its `attempt_key` is that of the answer. `saved_micros` is what the batch
    would have paid, 0 for an answer it paid for itself; a batch saves it once, however often it reads the answer. Calls
    of no batch count together as one batch, so that asking again and again does not add up to a saving.
    """

    attempt: Attempt
    saved_micros: int
    at: datetime

    @classmethod
    def apply(cls, connection: Connection, writes: Sequence["RecordReuse"]) -> Results:
        """Append the rows that are not there yet."""
        keys = sorted({write.attempt.attempt_key for write in writes})
        stored = connection.execute(
            select(_LEDGER).where(_LEDGER.c.attempt_key.in_(keys), _LEDGER.c.kind == LedgerKind.REUSE)
        )
        known = {_identity(dict(row)) for row in stored.mappings()}
        read_before = {identity[:2] for identity in known}
        new: list[dict[str, Any]] = []
        for write in writes:
            reader = (write.attempt.attempt_key, write.attempt.batch_id)
            rows = _reuse_rows(write, 0 if reader in read_before else write.saved_micros)
            read_before.add(reader)
            new += [row for row in rows if _identity(row) not in known]
            known |= {_identity(row) for row in rows}
        insert_rows(connection, new)
        return [None] * len(writes)


def _reuse_rows(write: RecordReuse, saved_micros: int) -> list[dict[str, Any]]:
    rows = ledger_rows(write.attempt, LedgerKind.REUSE, saved_micros, write.at)
    return [row | {"saved_micros": row["amount_micros"], "amount_micros": 0} for row in rows]


def _identity(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("attempt_key", "batch_id", "stage", "step", "lead_uid"))


def _row(attempt: Attempt, kind: LedgerKind, at: datetime, lead: str | None) -> dict[str, Any]:
    return {
        "at": at,
        "lead_uid": lead,
        "batch_id": attempt.batch_id,
        "platform": attempt.platform,
        "stage": attempt.stage,
        "step": attempt.step,
        "provider": attempt.provider,
        "operation": attempt.operation,
        "attempt_key": attempt.attempt_key,
        "kind": kind.value,
        "saved_micros": 0,
        "policy_version": attempt.policy_version,
    }
