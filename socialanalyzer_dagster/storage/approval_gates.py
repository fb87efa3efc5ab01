"""Queries about what people decided on one subject of one batch (spec 15.2)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select, update

from socialanalyzer_dagster.storage.database import upsert
from socialanalyzer_dagster.storage.models_control import GateRow


class GateState(StrEnum):
    """Where a decision stands; `waived` = the policy asks nobody for this one, `expired` = nobody decided in time."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WAIVED = "waived"
    EXPIRED = "expired"


CLEARED = frozenset({GateState.APPROVED, GateState.WAIVED})
"""States in which the subject may be carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """A gate and what a person decided."""

    gate_id: str
    batch_id: str
    stage: str
    subject_hash: str
    state: str
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None


def insert_gate(connection: Connection, gate: GateDecision) -> None:
    """Ask for a decision about a subject, or note that none is needed; once per subject."""
    values = {name: getattr(gate, name) for name in GateDecision.__dataclass_fields__}
    statement = upsert(connection, GateRow).values(**values)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["batch_id", "stage", "subject_hash"]))


def gate_of(connection: Connection, batch_id: str, stage: str, subject_hash: str) -> GateDecision | None:
    """The gate of exactly this subject."""
    columns = [getattr(GateRow, name) for name in GateDecision.__dataclass_fields__]
    is_it = (GateRow.batch_id == batch_id, GateRow.stage == stage, GateRow.subject_hash == subject_hash)
    row = connection.execute(select(*columns).where(*is_it)).mappings().one_or_none()
    return None if row is None else GateDecision(**row)


def decide_gate(connection: Connection, decision: GateDecision) -> bool:
    """Write a decision into an open gate; False when somebody decided before (compare-and-set, I-44)."""
    changed = connection.execute(
        update(GateRow)
        .where(GateRow.gate_id == decision.gate_id, GateRow.state == GateState.OPEN)
        .values(
            state=decision.state,
            decided_by=decision.decided_by,
            decided_at=decision.decided_at,
            comment=decision.comment,
        )
    )
    return changed.rowcount == 1
