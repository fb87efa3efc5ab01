"""Queries about what people decided on one subject of one batch (spec 15.2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from socialanalyzer_dagster.domain.approval import Question, QuestionKind
from socialanalyzer_dagster.storage.database import table_of, upsert
from socialanalyzer_dagster.storage.models_control import GateRow
from socialanalyzer_dagster.storage.models_leads import LeadBatchRow


class GateState(StrEnum):
    """Where a decision stands; `waived` = the policy asks nobody for this one, `expired` = nobody decided in time.

    `withdrawn` = the batch went on or ended otherwise, `revised` = rejected with changes, so that another one is asked.
    """

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WAIVED = "waived"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REVISED = "revised"


CLEARED = frozenset({GateState.APPROVED, GateState.WAIVED})
"""States in which the subject may be carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """A gate and what a person decided; `subject` is the stored question, None for plans of earlier versions."""

    gate_id: str
    batch_id: str
    stage: str
    subject_hash: str
    state: str
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None
    subject: Mapping[str, Any] | None = None

    @property
    def question(self) -> Question | None:
        """What was asked."""
        return None if self.subject is None else Question.from_json(self.subject)

    @property
    def is_about_plan(self) -> bool:
        """True for the gate of a CRM plan."""
        return self.subject is None or self.subject["kind"] == QuestionKind.PLAN


def insert_gate(connection: Connection, gate: GateDecision) -> None:
    """Ask for a decision about a subject, or note that none is needed; once per subject."""
    values = {name: getattr(gate, name) for name in GateDecision.__dataclass_fields__}
    statement = upsert(connection, GateRow).values(**values)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["batch_id", "stage", "subject_hash"]))


_COLUMNS = [table_of(GateRow).c[name] for name in GateDecision.__dataclass_fields__]


def gate_of(connection: Connection, batch_id: str, stage: str, subject_hash: str) -> GateDecision | None:
    """The gate of exactly this subject."""
    is_it = (GateRow.batch_id == batch_id, GateRow.stage == stage, GateRow.subject_hash == subject_hash)
    row = connection.execute(select(*_COLUMNS).where(*is_it)).mappings().one_or_none()
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


def gates_of(connection: Connection, batch_id: str) -> list[GateDecision]:
    """All questions ever asked about a batch, in the order they were asked."""
    rows = connection.execute(select(*_COLUMNS).where(GateRow.batch_id == batch_id)).mappings()
    return sorted((GateDecision(**row) for row in rows), key=_order)


def gates_by_batch(connection: Connection, statuses: Collection[str]) -> dict[str, list[GateDecision]]:
    """Batch id -> all its questions in order, of batches in one of the statuses; one query."""
    query = select(*_COLUMNS).join(LeadBatchRow, LeadBatchRow.batch_id == GateRow.batch_id)
    rows = connection.execute(query.where(LeadBatchRow.status.in_(statuses))).mappings()
    found: dict[str, list[GateDecision]] = {}
    for gate in sorted((GateDecision(**row) for row in rows), key=_order):
        found.setdefault(gate.batch_id, []).append(gate)
    return found


def _order(gate: GateDecision) -> tuple[datetime, int]:
    return gate.requested_at, gate.subject["number"] if gate.subject is not None else 0


def withdraw(connection: Connection, batch_id: str, kinds: Sequence[QuestionKind]) -> list[str]:
    """The open questions of these kinds need no answer any more; their ids."""
    kind = GateRow.subject["kind"].as_string()
    these = (GateRow.batch_id == batch_id, GateRow.state == GateState.OPEN, kind.in_([str(each) for each in kinds]))
    ids = list(connection.execute(select(GateRow.gate_id).where(*these)).scalars())
    if ids:
        is_open = (GateRow.gate_id.in_(ids), GateRow.state == GateState.OPEN)
        connection.execute(update(GateRow).where(*is_open).values(state=GateState.WITHDRAWN))
    return ids
