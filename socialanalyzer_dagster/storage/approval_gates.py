"""Queries about what people decided on one subject of one batch (spec 15.2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

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
    statement = upsert(connection, GateRow).on_conflict_do_nothing(index_elements=["batch_id", "stage", "subject_hash"])
    connection.execute(statement, values)


_GATES = table_of(GateRow)
_COLUMNS = [_GATES.c[name] for name in GateDecision.__dataclass_fields__]
_OF_BATCH = select(*_COLUMNS).where(_GATES.c.batch_id == bindparam("of_batch"))
_OF_SUBJECT = _OF_BATCH.where(_GATES.c.stage == bindparam("of_stage"), _GATES.c.subject_hash == bindparam("of_subject"))
_OF_OPEN_BATCHES = (
    select(*_COLUMNS)
    .join(LeadBatchRow, LeadBatchRow.batch_id == _GATES.c.batch_id)
    .where(LeadBatchRow.status.in_(bindparam("statuses", expanding=True)))
)
_OPEN = select(_GATES.c.gate_id).where(
    _GATES.c.batch_id == bindparam("of_batch"),
    _GATES.c.state == GateState.OPEN,
    _GATES.c.subject["kind"].as_string().in_(bindparam("kinds", expanding=True)),
)
_ANSWER = update(_GATES).where(_GATES.c.gate_id == bindparam("answered"), _GATES.c.state == GateState.OPEN)
_WITHDRAW = (
    update(_GATES)
    .where(_GATES.c.gate_id.in_(bindparam("gates", expanding=True)), _GATES.c.state == GateState.OPEN)
    .values(state=GateState.WITHDRAWN)
)


def gate_of(connection: Connection, batch_id: str, stage: str, subject_hash: str) -> GateDecision | None:
    """The gate of exactly this subject."""
    subject = {"of_batch": batch_id, "of_stage": stage, "of_subject": subject_hash}
    row = connection.execute(_OF_SUBJECT, subject).mappings().one_or_none()
    return None if row is None else GateDecision(**row)


def decide_gate(connection: Connection, decision: GateDecision) -> bool:
    """Write a decision into an open gate; False when somebody decided before (compare-and-set, I-44)."""
    answer = {name: getattr(decision, name) for name in ("state", "decided_by", "decided_at", "comment")}
    return connection.execute(_ANSWER, {"answered": decision.gate_id, **answer}).rowcount == 1


def gates_of(connection: Connection, batch_id: str) -> list[GateDecision]:
    """All questions ever asked about a batch, in the order they were asked."""
    rows = connection.execute(_OF_BATCH, {"of_batch": batch_id}).mappings()
    return sorted((GateDecision(**row) for row in rows), key=_order)


def gates_by_batch(connection: Connection, statuses: Collection[str]) -> dict[str, list[GateDecision]]:
    """Batch id -> all its questions in order, of batches in one of the statuses; one query."""
    rows = connection.execute(_OF_OPEN_BATCHES, {"statuses": list(statuses)}).mappings()
    found: dict[str, list[GateDecision]] = {}
    for gate in sorted((GateDecision(**row) for row in rows), key=_order):
        found.setdefault(gate.batch_id, []).append(gate)
    return found


def _order(gate: GateDecision) -> tuple[datetime, int]:
    return gate.requested_at, gate.subject["number"] if gate.subject is not None else 0


def withdraw(connection: Connection, batch_id: str, kinds: Sequence[QuestionKind]) -> list[str]:
    """The open questions of these kinds need no answer any more; their ids."""
    these = {"of_batch": batch_id, "kinds": [str(each) for each in kinds]}
    ids = list(connection.execute(_OPEN, these).scalars())
    if ids:
        connection.execute(_WITHDRAW, {"gates": ids})
    return ids
