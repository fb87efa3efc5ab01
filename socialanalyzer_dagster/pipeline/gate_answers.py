"""A person's answer to an open question: who may give it, about exactly which figures, and that it is given once."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile
from socialanalyzer_dagster.pipeline.gate_log import lasts, log_answer
from socialanalyzer_dagster.pipeline.stage_gates import open_question
from socialanalyzer_dagster.pipeline.workplace import SANDBOX, Workplace
from socialanalyzer_dagster.storage import approval_gates, audit_log
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.breakers import resume_breakers

DEMO_APPROVER = "demo-approver"
"""The name demonstrations and simulations approve with; live installations refuse it."""
WAITING = frozenset({BatchStatus.AWAITING_APPROVAL, BatchStatus.PAUSED})
_LONGEST_NAME = 255


class ApprovalRefused(ValueError):
    """The decision was not taken; the text says why and what is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody decided, and what they had looked at (a plan's or a question's hash, its beginning, or None)."""

    state: GateState
    by: str
    comment: str | None
    subject_hash: str | None

    @property
    def verb(self) -> str:
        """The last word of the audited action."""
        return {GateState.APPROVED: "approve", GateState.REVISED: "revise"}.get(self.state, "reject")


def person_of(workplace: Workplace, by: str) -> str:
    """The name of a person who may decide here; raises ApprovalRefused."""
    name = by.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise ApprovalRefused("a decision carries the name of the person who takes it: --by NAME")
    if name.casefold() == DEMO_APPROVER and workplace.mode != SANDBOX:
        raise ApprovalRefused(f"'{DEMO_APPROVER}' decides in the sandbox alone; a live plan needs a person's name")
    return name


def reason_of(text: str) -> str:
    """Why somebody says no; raises ApprovalRefused for nothing."""
    if not (reason := text.strip()):
        raise ApprovalRefused("a rejection needs a reason")
    return reason


def waiting_question(connection: Connection, row: Batch) -> GateDecision | None:
    """The question about a stage or a refusal that this batch rests on; None when it rests on its plan, or not."""
    return open_question(connection, row) if row.status in WAITING else None


def answer_question(
    connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision, given: Answer
) -> None:
    """Write the answer and its audit entry; a yes to going on also lets vendors that refused us be tried again.

    Raises ApprovalRefused for figures that changed or a question past its time, ChangedMeanwhile.
    """
    key, now = row.partition_key, workplace.clock.now()
    if given.subject_hash is not None and not (given.subject_hash and gate.subject_hash.startswith(given.subject_hash)):
        raise ApprovalRefused(
            f"batch {key} waits with other figures now ({gate.subject_hash[:12]}); look at it again with "
            f"`socialanalyzer batch show {key}`"
        )
    if now >= (ended := lasts(workplace, gate).expires_at):
        raise ApprovalRefused(f"nobody answered for batch {key} until {ended}, and no answer is a no; it ends now")
    decide(connection, replace(gate, state=given.state, decided_by=given.by, decided_at=now, comment=given.comment))
    audit_log.record(
        connection,
        at=now,
        actor=given.by,
        action=f"gate.{given.verb}",
        subject=key,
        stage=gate.stage,
        subject_hash=gate.subject_hash,
        comment=given.comment,
    )
    question = gate.question
    if given.state == GateState.APPROVED and question is not None and question.kind is QuestionKind.RESUME:
        resume_breakers(connection)


def decide(connection: Connection, decided: GateDecision) -> None:
    """Write what somebody, or the time, decided; raises ChangedMeanwhile when the question is not open any more."""
    if not approval_gates.decide_gate(connection, decided):
        raise ChangedMeanwhile("somebody else decided meanwhile")
    if decided.decided_at is not None:
        log_answer(connection, decided, decided.decided_at)
