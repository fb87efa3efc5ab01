"""Storing a plan: its BDRs dealt, an earlier plan superseded, the gate opened, in one transaction (spec 11.2, 11.5)."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.approval import (
    Figures,
    Question,
    QuestionKind,
    why_ask_before_sync,
)
from socialanalyzer_dagster.domain.assignment import deal
from socialanalyzer_dagster.domain.crm_diff import Action, PlanRow, sealed_hash, with_bdr, without_bdr
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_actions import reopen
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus, ChangedMeanwhile, Transition, change, transition
from socialanalyzer_dagster.pipeline.crm_comparison import WRITTEN, Draft
from socialanalyzer_dagster.pipeline.crm_sync import cleared_plan, gate_of_plan, queue_again
from socialanalyzer_dagster.pipeline.gate_log import log_question, withdraw
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.stage_gates import question_of
from socialanalyzer_dagster.storage import (
    approval_gates,
    audit_log,
    batch_figures,
    batches,
    crm_links,
    roster,
    sync_plans,
)
from socialanalyzer_dagster.storage.approval_gates import CLEARED, GateDecision, GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.roster import Assignment, Bdr
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState, StoredRow

_TRIES = 10
_STILL_DEALT = (PlanState.OPEN, PlanState.SUPERSEDED)
"""Plans whose leads are with their BDRs still; one that ends in another way gives them back."""


def store_plan(batch: OpenBatch, drafts: Sequence[Draft], rules_hash: str) -> bool:
    """Make the drafts the batch's open plan; False when the open plan says the same already, or may be written.

    `rules_hash` is the digest of the rules that the drafts were made under; a plan of other rules says something else.
    The batch then awaits approval, or is queued for its sync where the policy asks nobody. Rows of leads that had a BDR
    keep it. Raises ChangedMeanwhile when the batch keeps changing.
    """
    for _ in range(_TRIES):
        try:
            with batch.workplace.database.write() as connection:
                current = batches.batch_by_id(connection, batch.row.batch_id)
                if current is None:
                    raise LookupError(f"batch {batch.row.partition_key} is gone")
                stored = _Store(connection, batch, current, rules_hash).run(drafts)
        except ChangedMeanwhile:
            continue
        batch.refresh()
        return stored
    raise ChangedMeanwhile(f"batch {batch.row.partition_key} keeps changing")


@dataclass(frozen=True, slots=True)
class _Dealing:
    """Finished rows, with the assignments they keep, get new, and give back."""

    rows: list[PlanRow]
    kept: list[Assignment]
    new: list[Assignment]
    returned: list[Assignment]


class _Store:
    def __init__(self, connection: Connection, batch: OpenBatch, row: Batch, rules_hash: str) -> None:
        self._connection = connection
        self._rules_hash = rules_hash
        self._batch = batch
        self._row = row
        self._now = batch.workplace.clock.now()

    def run(self, drafts: Sequence[Draft]) -> bool:
        connection, batch_id = self._connection, self._row.batch_id
        cleared = cleared_plan(connection, batch_id)
        if cleared is not None and not cleared.is_expired(self._now):
            return False
        roster.lock_roster(connection)
        sightings = [each.sighting for each in drafts if each.sighting is not None]
        crm_links.note_sightings(connection, sightings, self._now)
        before = sync_plans.newest_plan(connection, batch_id)
        open_plan = before if before is not None and before.state == PlanState.OPEN else None
        has_dealt = before is not None and before.state in _STILL_DEALT
        dealing = self._deal(drafts, before if has_dealt else None)
        lasts = open_plan is not None and not open_plan.is_expired(self._now)
        if open_plan is not None and lasts and self._is_same(open_plan, dealing.rows):
            self._place(open_plan)
            return False
        if open_plan is None and before is not None and self._says_nothing_new(before, dealing.rows):
            return False
        # a decision about the plan before loses against this one (I-44)
        self._row = change(connection, self._row, {"plan_only": False})
        if open_plan is not None:
            to = PlanState.SUPERSEDED if lasts else PlanState.EXPIRED
            sync_plans.change_plan_state(connection, open_plan.plan_id, to=to)
            withdraw(connection, batch_id, self._now, [QuestionKind.PLAN])
        withdraw(connection, batch_id, self._now)  # the new plan is what people are asked about from now on
        plan = self._insert(1 if before is None else before.number + 1, dealing)
        self._place(plan)
        return True

    def _deal(self, drafts: Sequence[Draft], before: Plan | None) -> _Dealing:
        """Round robin for the create rows that need a BDR, in batch order.

        What the plan `before` dealt and nobody wrote goes back, unless the same lead gets it again.
        """
        everyone = roster.roster(self._connection)
        by_name = {bdr.name: bdr for bdr in everyone if bdr.is_active}
        waiting = [each.row for each in drafts if each.row.action is Action.CREATE and each.queue.is_dealt]
        leads = [row.uid for row in waiting]
        has = roster.assignments(self._connection, leads)
        kept = {uid: each for uid, each in has.items() if each.bdr in by_name}
        planned = roster.assignments_of_plan(self._connection, before.plan_id) if before is not None else []
        written = crm_links.links_of(self._connection, [each.lead for each in planned])
        left = [each for each in planned if each.lead not in written]  # whoever is in the CRM keeps their BDR
        returned = {each.lead: each for each in (*left, *has.values()) if each.lead not in kept}
        epoch = roster.current_epoch(self._connection, self._now)
        counts = Counter(roster.counts(self._connection, epoch))
        counts.subtract((each.tier, each.bdr) for each in returned.values() if each.epoch == epoch)
        dealt = deal(
            [(row.uid, row.tier or "") for row in waiting if row.uid not in kept],
            self._selection(everyone),
            counts,
        )
        tiers = {row.uid: row.tier or "" for row in waiting}
        new = [
            Assignment(lead=uid, bdr=bdr.name, tier=tiers[uid], epoch=epoch) for uid, bdr in dealt.assignments.items()
        ]
        owners = {uid: by_name[each.bdr] for uid, each in kept.items()} | dict(dealt.assignments)
        rows = [_finished(each, owners, frozenset(dealt.left)) for each in drafts]
        return _Dealing(rows, list(kept.values()), new, list(returned.values()))

    def _selection(self, everyone: Sequence[Bdr]) -> Sequence[Bdr]:
        chosen = set(self._row.bdr_names)
        return [bdr for bdr in everyone if not chosen or bdr.name in chosen]

    def _is_same(self, plan: Plan, rows: Sequence[PlanRow]) -> bool:
        return plan.rules_hash == self._rules_hash and plan.plan_hash == sealed_hash(plan.number, rows)

    def _says_nothing_new(self, before: Plan, rows: Sequence[PlanRow]) -> bool:
        """True when nothing could be written, and every lead stands exactly where the last plan left it."""
        earlier = {
            row.planned.uid: (row.planned.action, row.planned.reason)
            for row in sync_plans.plan_rows(self._connection, before.plan_id)
        }
        return all(
            row.action in (Action.HELD, Action.REJECTED) and earlier.get(row.uid) == (row.action, row.reason)
            for row in rows
        )

    def _insert(self, number: int, dealing: _Dealing) -> Plan:
        connection = self._connection
        plan = Plan(
            plan_id=str(uuid.uuid4()),
            batch_id=self._row.batch_id,
            number=number,
            plan_hash=sealed_hash(number, dealing.rows),
            state=PlanState.OPEN,
            created_at=self._now,
            expires_at=self._now + timedelta(hours=self._batch.policy.crm.plan_hours),
            rules_hash=self._rules_hash,
        )
        sync_plans.insert_plan(
            connection, plan, [StoredRow(row_id=str(uuid.uuid4()), planned=row) for row in dealing.rows]
        )
        roster.return_assignments(connection, dealing.returned)
        roster.move_assignments(connection, [each.lead for each in dealing.kept], plan_id=plan.plan_id)
        roster.insert_assignments(connection, dealing.new, plan_id=plan.plan_id, now=self._now)
        question = self._question(dealing.rows)
        gate = GateDecision(
            gate_id=str(uuid.uuid4()),
            batch_id=plan.batch_id,
            stage=Stage.SYNCED,
            subject_hash=plan.plan_hash,
            state=GateState.WAIVED if question is None else GateState.OPEN,
            requested_at=self._now,
            subject=None if question is None else question.as_json(),
        )
        if question is not None:
            log_question(connection, self._batch.workplace, self._row, gate)
        approval_gates.insert_gate(connection, gate)
        if question is None:
            audit_log.record(
                connection, at=self._now, actor="policy", action="plan.waive", subject=self._row.partition_key,
                plan_hash=plan.plan_hash, policy_version=self._row.policy_version,
            )  # fmt: skip
        return plan

    def _question(self, rows: Sequence[PlanRow]) -> Question | None:
        """What a person must answer before the plan is written; None where the policy asks nobody (spec 15.2)."""
        policy, connection = self._batch.policy, self._connection
        spent = batch_figures.money(connection, [self._row.batch_id])[self._row.batch_id].spend_micros
        contacts = sum(row.action in WRITTEN for row in rows)
        asked = why_ask_before_sync(
            policy, contacts=contacts, spend_micros=spent, is_canary=self._row.canary is not None
        )
        if asked is None:
            return None
        why, is_escalated = asked
        figures = Figures(leads=contacts, spent_micros=spent, expected_micros=0, worst_case_micros=0)
        gates = approval_gates.gates_of(connection, self._row.batch_id)
        return question_of(QuestionKind.PLAN, Stage.SYNCED, figures, gates, why=why, is_escalated=is_escalated)

    def _place(self, plan: Plan) -> None:
        """The batch waits for the decision, or is queued for its sync."""
        gate = gate_of_plan(self._connection, plan)
        if gate is not None and gate.state in CLEARED:
            queue_again(self._connection, self._batch.workplace, self._row)
        elif self._row.status != BatchStatus.AWAITING_APPROVAL:
            row = reopen(self._connection, self._batch.workplace, self._row) if self._row.is_terminal else self._row
            cause = row.cause if row.capped else None
            wanted = Transition(to=BatchStatus.AWAITING_APPROVAL, cause=cause, now=self._now)
            transition(self._connection, row, wanted)


def _finished(draft: Draft, owners: Mapping[LeadUid, Bdr], left: frozenset[LeadUid]) -> PlanRow:
    row = draft.row
    if row.action is not Action.CREATE:
        return row
    if draft.queue.cause is not None:
        row = replace(row, notes=(*row.notes, f"dealt_because_{draft.queue.cause}"))
    if row.uid in left:
        return without_bdr(row)
    owner = owners.get(row.uid)
    return row if owner is None else with_bdr(row, owner.name, owner.owner_id)
