"""The `ledger show --json` object: sums that agree with the vendors' bill to the micro-dollar."""

from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.storage.cost_views import attempt_sums, ledger_sums
from socialanalyzer_dagster.storage.ledger import LedgerKind

_BILLED = frozenset({LedgerKind.SETTLED, LedgerKind.CORRECTION})


def ledger_view(connection: Connection, batch_id: str | None) -> dict[str, Any]:
    """Settled, held and unknown micro-USD of a batch, settled by vendor and by stage, and its calls by operation.

    None = of the calls that belong to no batch, and so to no stage.
    """
    by_vendor: dict[str, int] = {}
    by_stage: dict[str, int] = {}
    for row in ledger_sums(connection, batch_id):
        if row.kind in _BILLED:
            by_vendor[row.provider] = by_vendor.get(row.provider, 0) + int(row.micros)
            if row.stage is not None:
                by_stage[row.stage] = by_stage.get(row.stage, 0) + int(row.micros)
    attempts = attempt_sums(connection, batch_id)
    return {
        "total_micros": sum(by_vendor.values()),
        "held_micros": sum(int(row.reserved) for row in attempts if row.state == "reserved"),
        "unknown_micros": sum(int(row.reserved) for row in attempts if row.state == "unknown"),
        "by_vendor": dict(sorted(by_vendor.items())),
        "by_stage": dict(sorted(by_stage.items())),
        "calls": [
            {"operation": row.operation, "state": row.state, "calls": row.calls, "micros": int(row.settled)}
            for row in sorted(attempts, key=lambda each: (each.operation, each.state))
        ],
    }
