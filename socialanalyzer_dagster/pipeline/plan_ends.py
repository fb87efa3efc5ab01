"""A plan that is never written: its rows and gate end and its BDRs' counts go back, in one transaction (11.5)."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.outcomes import skipped
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_finish import stage_of
from socialanalyzer_dagster.pipeline.batch_status import ChangedMeanwhile
from socialanalyzer_dagster.pipeline.crm_sync import gate_of_plan
from socialanalyzer_dagster.pipeline.gate_answers import decide
from socialanalyzer_dagster.pipeline.gate_log import log_expiry
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.storage import crm_links, outcomes, roster, sync_plans
from socialanalyzer_dagster.storage.approval_gates import GateState
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.outcomes import OutcomeWrite
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState, RowState

_ROW_STATES = {PlanState.REJECTED: RowState.REJECTED, PlanState.EXPIRED: RowState.HELD}


def end_plan(connection: Connection, plan: Plan, *, to: PlanState) -> None:
    """The open plan is rejected or expired, rows without an end with it; leads nobody wrote are taken back from BDRs.

    Raises ChangedMeanwhile when the plan is not open any more (compare-and-set, I-44).
    """
    if not sync_plans.change_plan_state(connection, plan.plan_id, to=to):
        raise ChangedMeanwhile("the plan was changed by somebody else meanwhile")
    sync_plans.end_open_rows(connection, plan.plan_id, state=_ROW_STATES[to])
    give_back(connection, plan)


def give_back(connection: Connection, plan: Plan, leads: Collection[LeadUid] | None = None) -> None:
    """Take a plan's leads, or these of them, back from their BDRs; whoever is in the CRM keeps theirs (11.5)."""
    roster.lock_roster(connection)
    dealt = roster.assignments_of_plan(connection, plan.plan_id)
    written = crm_links.links_of(connection, [each.lead for each in dealt])
    gone = [each for each in dealt if each.lead not in written and (leads is None or each.lead in leads)]
    roster.return_assignments(connection, gone)


def expire_plan(connection: Connection, workplace: Workplace, batch: Batch, plan: Plan) -> bool:
    """End an open plan past its time, and its gate; True when nobody had decided about it, which is logged."""
    end_plan(connection, plan, to=PlanState.EXPIRED)
    gate = gate_of_plan(connection, plan)
    if gate is None or gate.state != GateState.OPEN:
        return False
    log_expiry(connection, workplace, batch, gate)
    decide(connection, replace(gate, state=GateState.EXPIRED, decided_at=workplace.clock.now()))
    return True


def skip_leads(connection: Connection, workplace: Workplace, batch: Batch, code: str) -> None:
    """Every lead of the batch's newest plan is skipped at synced with this code."""
    plan = sync_plans.newest_plan(connection, batch.batch_id)
    leads = sync_plans.planned_leads(connection, plan.plan_id) if plan is not None else []
    now, outcome = workplace.clock.now(), skipped(Stage.SYNCED, code)
    writes = [
        OutcomeWrite(lead=uid, outcome=outcome, evidence_ids=(), started_at=now, finished_at=now) for uid in leads
    ]
    for part in parts(writes):
        outcomes.write_outcomes(connection, stage_of(batch, Stage.SYNCED), part)
