"""Where a batch stands between its plan and the CRM: whether somebody must say yes, and what runs next (spec 15.2)."""

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.launching import Stretch
from socialanalyzer_dagster.storage import approval_gates, sync_plans
from socialanalyzer_dagster.storage.approval_gates import CLEARED, GateDecision
from socialanalyzer_dagster.storage.batches import Batch
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState


def gate_of_plan(connection: Connection, plan: Plan) -> GateDecision | None:
    """The decision about exactly this plan; None while nobody was asked."""
    return approval_gates.gate_of(connection, plan.batch_id, Stage.SYNCED, plan.plan_hash)


def cleared_plan(connection: Connection, batch_id: str) -> Plan | None:
    """The batch's newest plan when it may be written now: still open, and approved or in no need of approval."""
    plan = sync_plans.newest_plan(connection, batch_id)
    if plan is None or plan.state != PlanState.OPEN:
        return None
    gate = gate_of_plan(connection, plan)
    return plan if gate is not None and gate.state in CLEARED else None


def next_stretch(connection: Connection, batch: Batch) -> Stretch:
    """What a queued batch is launched for: its sync when a plan waits that may be written, else the stages before."""
    return Stretch.SYNC if cleared_plan(connection, batch.batch_id) is not None else Stretch.TO_PLAN
