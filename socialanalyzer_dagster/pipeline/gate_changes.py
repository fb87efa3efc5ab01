"""A rejection with changes: cap, left-out leads, BDRs, lowest tier; it is asked again without new spend (spec 15.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import QuestionKind
from socialanalyzer_dagster.domain.outcomes import Outcome, rejected, skipped
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.approvals import answer_plan, once_more, undisturbed
from socialanalyzer_dagster.pipeline.batch_actions import check_cap
from socialanalyzer_dagster.pipeline.batch_finish import stage_of
from socialanalyzer_dagster.pipeline.batch_status import change
from socialanalyzer_dagster.pipeline.crm_sync import queue_again
from socialanalyzer_dagster.pipeline.gate_answers import (
    Answer,
    ApprovalRefused,
    answer_question,
    person_of,
    reason_of,
    waiting_question,
)
from socialanalyzer_dagster.pipeline.lead_view import one_lead
from socialanalyzer_dagster.pipeline.plan_ends import give_back
from socialanalyzer_dagster.pipeline.plan_floor import tiers_of
from socialanalyzer_dagster.pipeline.policies import policy_of_hash
from socialanalyzer_dagster.pipeline.stage_gates import ask, question_before
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import audit_log, outcome_sets, outcomes, roster, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION, Pending
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite
from socialanalyzer_dagster.storage.sync_plans import PlanState


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a person wants otherwise; None and empty leave it as it is. `excluded` names leads like `leads show`."""

    cap_micros: int | None = None
    excluded: tuple[str, ...] = ()
    bdr_names: tuple[str, ...] = ()
    tier_floor: str | None = None

    @property
    def is_empty(self) -> bool:
        """True when nothing is to be changed."""
        return self == Changes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Who wants it otherwise, why, and what they had looked at: a hash or its beginning, or None."""

    by: str
    reason: str
    subject_hash: str | None = None


def revise(workplace: Workplace, key: str, objection: Objection, changes: Changes) -> Batch:
    """The batch with the changes, asked about anew, or queued to make its plan again; nothing is paid for that.

    Raises NoSuchBatch, NoSuchLead, BatchRefused for a cap, and ApprovalRefused.
    """
    name, why = person_of(workplace, objection.by), reason_of(objection.reason)
    if changes.is_empty:
        raise ApprovalRefused("say what is to be changed")
    given = Answer(state=GateState.REVISED, by=name, comment=why, subject_hash=objection.subject_hash)

    def act(connection: Connection, row: Batch) -> Batch:
        gate = waiting_question(connection, row)
        changed = _changed(connection, workplace, row, changes)
        told = asdict(changes) | {"excluded": len(changes.excluded)}
        audit_log.record(connection, at=workplace.clock.now(), actor=name, action="batch.revise", subject=key, **told)
        if gate is None:
            return _revise_plan(connection, workplace, changed, changes, given)
        return _revise_question(connection, workplace, changed, gate, _Revision(changes, given))

    with undisturbed(workplace, key):
        return once_more(workplace, key, act)


@dataclass(frozen=True, slots=True)
class _Revision:
    changes: Changes
    given: Answer


def _revise_question(
    connection: Connection, workplace: Workplace, row: Batch, gate: GateDecision, revision: _Revision
) -> Batch:
    """The next question with the new figures; where nothing is left to ask about, the batch goes on."""
    question = gate.question
    if question is None or question.kind is QuestionKind.RESUME:
        raise ApprovalRefused(f"batch {row.partition_key} waits for a yes or a no to going on; it takes no changes")
    answer_question(connection, workplace, row, gate, revision.given)
    if revision.changes.excluded and question.stage is Stage.DISCOVERED:
        raise ApprovalRefused(f"batch {row.partition_key} has no leads yet that could be left out")
    if revision.changes.excluded:
        _leave_out(connection, workplace, row, revision.changes, skipped(question.stage, "gate_rejected"))
    policy = policy_of_hash(workplace.database, row.policy_hash)
    again = question_before(connection, workplace, row, stage=question.stage, policy=policy)
    return ask(connection, workplace, row, again) if again else queue_again(connection, workplace, row)


def _revise_plan(connection: Connection, workplace: Workplace, row: Batch, changes: Changes, given: Answer) -> Batch:
    plan = answer_plan(connection, workplace, row, given)
    if changes.excluded:
        outcome = rejected(Stage.SYNCED, "excluded_by_approver")
        left_out = _leave_out(connection, workplace, row, changes, outcome)
        give_back(connection, plan, left_out)
    if changes.bdr_names:
        give_back(connection, plan)
    sync_plans.change_plan_state(connection, plan.plan_id, to=PlanState.SUPERSEDED)
    sync_plans.forget_tries(connection, plan.plan_id)
    return queue_again(connection, workplace, change(connection, row, {"plan_only": True}))


def _changed(connection: Connection, workplace: Workplace, row: Batch, changes: Changes) -> Batch:
    values: dict[str, Any] = {}
    if changes.cap_micros is not None:
        check_cap(workplace, changes.cap_micros)
        values["cap_micros"] = changes.cap_micros
    if changes.bdr_names:
        values["bdr_names"] = _known_bdrs(connection, changes.bdr_names)
    if changes.tier_floor is not None:
        tiers = tiers_of(policy_of_hash(workplace.database, row.policy_hash))
        if changes.tier_floor not in tiers:
            raise ApprovalRefused(f"'{changes.tier_floor}' is no tier of this batch; there are: {', '.join(tiers)}")
        values["tier_floor"] = changes.tier_floor
    return change(connection, row, values)


def _known_bdrs(connection: Connection, names: Sequence[str]) -> list[str]:
    active = [bdr.name for bdr in roster.roster(connection) if bdr.is_active]
    if unknown := [name for name in names if name not in active]:
        known = ", ".join(active) or "nobody"
        raise ApprovalRefused(f"{', '.join(unknown)} is not active on the roster; there are: {known}")
    return list(dict.fromkeys(names))


def _leave_out(
    connection: Connection, workplace: Workplace, row: Batch, changes: Changes, outcome: Outcome
) -> frozenset[LeadUid]:
    """The named leads, which end at the stage that was asked about.

    Raises ApprovalRefused for one that is not waiting, NoSuchLead.
    """
    pending = Pending(batch_id=row.batch_id, stage=outcome.stage)
    window = outcome_sets.pending_window(connection, pending, after=0, limit=LATEST_POSITION)
    waiting: Mapping[LeadUid, int] = dict(window)
    leads = {name: LeadUid(one_lead(connection, name).lead_uid) for name in changes.excluded}
    if missing := [name for name, uid in leads.items() if uid not in waiting]:
        raise ApprovalRefused(f"{', '.join(missing)} does not wait at {outcome.stage} in batch {row.partition_key}")
    now, left_out = workplace.clock.now(), frozenset(leads.values())
    writes = [
        OutcomeWrite(lead=uid, outcome=outcome, evidence_ids=(), started_at=now, finished_at=now) for uid in left_out
    ]
    for part in parts(writes):
        outcomes.write_outcomes(connection, stage_of(row, outcome.stage), part)
    return left_out
