"""Where a person must say yes before a paid stage begins: what is asked, in which figures, and how far a run may go.

A question is asked outside any run or between two stages; a yes holds for the leads and the money that it named.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import (
    Figures,
    Question,
    QuestionKind,
    may_ask_before,
    why_ask,
)
from socialanalyzer_dagster.domain.estimate import estimate_rest
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline.batch_actions import reopen
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, Transition, transition
from socialanalyzer_dagster.pipeline.counters import stage_counters
from socialanalyzer_dagster.pipeline.estimates import measured_rates
from socialanalyzer_dagster.pipeline.gate_log import log_question, withdraw
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import approval_gates, batch_figures, batches, outcome_sets
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION, Pending

PAID = tuple(stage for stage in STAGES if stage is not Stage.SYNCED)
_NOT_ASKED_ABOUT = ("over_lead_cap", "gate_rejected")
"""Leads that a stage leaves out by themselves or by a person's word: a yes is not about them."""


def within_canary(connection: Connection, row: Batch) -> int:
    """The last position that stages work up to now: that of the canary's last lead, or any."""
    if row.canary is None:
        return LATEST_POSITION
    last = outcome_sets.position_of_rank(connection, row.batch_id, Stage.SCREENED, row.canary)
    return last if last is not None else LATEST_POSITION


def next_work(connection: Connection, row: Batch) -> Stage | None:
    """The first stage that has something to do; None when only the plan, or nothing, is left."""
    if not _is_found(connection, row):
        return Stage.DISCOVERED
    within = within_canary(connection, row)
    stages = (stage for stage in PAID[1:] if _pending(connection, row, stage, within))
    return next(stages, None)


def question_before(
    connection: Connection, workplace: Workplace, row: Batch, *, stage: Stage, policy: Policy
) -> Question | None:
    """What a person must answer before this stage may begin; None when it may.

    `policy` is the one the batch pins.
    """
    if not may_ask_before(policy, stage, row.cap_micros):
        return None
    figures = _figures(connection, workplace, row, stage=stage, policy=policy)
    if figures is None:
        return None
    gates = approval_gates.gates_of(connection, row.batch_id)
    approved = [gate.question for gate in gates if gate.state == GateState.APPROVED and gate.question is not None]
    asked = why_ask(policy, stage, figures, approved)
    if asked is None:
        return None
    why, is_escalated = asked
    return question_of(QuestionKind.STAGE, stage, figures, gates, why=why, is_escalated=is_escalated)


def question_of(
    kind: QuestionKind, stage: Stage, figures: Figures, gates: Sequence[GateDecision], *, why: str, is_escalated: bool
) -> Question:
    """The next question of a batch."""
    return Question(
        kind=kind,
        number=len(gates) + 1,
        stage=stage,
        why=why,
        leads=figures.leads,
        spent_micros=figures.spent_micros,
        expected_micros=figures.expected_micros,
        worst_case_micros=figures.worst_case_micros,
        is_escalated=is_escalated,
    )


def ask(connection: Connection, workplace: Workplace, row: Batch, question: Question) -> Batch:
    """The batch, waiting for the answer; the question is asked anew only where the open one names fewer leads.

    Raises StatusRefused for an ended batch with nothing to attempt, ChangedMeanwhile.
    """
    gate = open_question(connection, row)
    asked = gate.question if gate is not None else None
    if asked is None or asked.stage is not question.stage or asked.leads < question.leads:
        withdraw(connection, row.batch_id, workplace.clock.now())
        put_question(connection, workplace, row, question)
    elif row.status == BatchStatus.AWAITING_APPROVAL:
        return row
    standing = reopen(connection, workplace, row) if row.is_terminal else row
    cause = standing.cause if standing.capped else question.sentence
    wanted = Transition(to=BatchStatus.AWAITING_APPROVAL, cause=cause, now=workplace.clock.now())
    return transition(connection, standing, wanted)


def put_question(connection: Connection, workplace: Workplace, row: Batch, question: Question) -> None:
    """Store an open question and log that it was asked."""
    gate = GateDecision(
        gate_id=str(uuid.uuid4()),
        batch_id=row.batch_id,
        stage=question.stage,
        subject_hash=question.subject_hash,
        state=GateState.OPEN,
        requested_at=workplace.clock.now(),
        subject=question.as_json(),
    )
    log_question(connection, workplace, row, gate)
    approval_gates.insert_gate(connection, gate)


def open_question(connection: Connection, row: Batch) -> GateDecision | None:
    """The open question about a stage or a vendor's refusal; None when the batch waits for no such answer."""
    gates = approval_gates.gates_of(connection, row.batch_id)
    return next((gate for gate in gates if gate.state == GateState.OPEN and not gate.is_about_plan), None)


def figures_at(connection: Connection, workplace: Workplace, row: Batch, *, stage: Stage, policy: Policy) -> Figures:
    """How the batch stands before a stage, with nobody waiting too."""
    found = _figures(connection, workplace, row, stage=stage, policy=policy)
    return found or Figures(leads=0, spent_micros=_spent(connection, row), expected_micros=0, worst_case_micros=0)


def _figures(
    connection: Connection, workplace: Workplace, row: Batch, *, stage: Stage, policy: Policy
) -> Figures | None:
    """None when the stage has nothing to do, so that there is nothing to ask about."""
    spent = _spent(connection, row)
    if stage is Stage.DISCOVERED:
        if _is_found(connection, row):
            return None
        return _capped(row, spent, row.max_leads, (row.estimate_micros, row.worst_case_micros))
    waiting = _pending(connection, row, stage, within_canary(connection, row))
    if not waiting:
        return None
    rest = (0, 0)
    if stage is not Stage.SYNCED:
        rates = measured_rates(connection, row.platform, policy=policy, now=workplace.clock.now())
        estimate = estimate_rest(waiting, stage, rates)
        rest = (estimate.micros, estimate.worst_case_micros)
    counters = stage_counters(connection, row.batch_id)[stage]
    left_out = sum(counters.reasons.get(code, 0) for code in _NOT_ASKED_ABOUT)
    return _capped(row, spent, counters.accounted - counters.retryable - left_out + waiting, rest)


def _capped(row: Batch, spent: int, leads: int, rest: tuple[int, int]) -> Figures:
    """No batch spends beyond its cap, whatever its leads would cost."""
    room = max(0, row.cap_micros - spent)
    expected, worst = (min(amount, room) for amount in rest)
    return Figures(leads=leads, spent_micros=spent, expected_micros=expected, worst_case_micros=worst)


def _spent(connection: Connection, row: Batch) -> int:
    return batch_figures.money(connection, [row.batch_id])[row.batch_id].spend_micros


def _pending(connection: Connection, row: Batch, stage: Stage, within: int) -> int:
    waiting = outcome_sets.count_pending(connection, Pending(batch_id=row.batch_id, stage=stage, within=within))
    return min(waiting, row.max_leads) if stage is Stage.SCREENED else waiting


def _is_found(connection: Connection, row: Batch) -> bool:
    discovered = batches.stage_progress(connection, row.batch_id).get(Stage.DISCOVERED)
    return discovered is not None and discovered.finished_at is not None
