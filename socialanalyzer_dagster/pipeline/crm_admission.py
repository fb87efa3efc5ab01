"""Whether a plan may be written now: exactly the approved one, in time, of a batch that adds up (spec 11.2, I-23)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.crm_diff import sealed_hash
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.privacy_record import HOW_TO_RECORD, unrecorded_privacy
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline import audits
from socialanalyzer_dagster.pipeline.audits import Audit, AuditedBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_comparison import WRITTEN
from socialanalyzer_dagster.pipeline.crm_rules import planning_policy, rules_hash
from socialanalyzer_dagster.pipeline.crm_sync import close_batch, gate_of_plan, queue_again
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.plan_ends import expire_plan
from socialanalyzer_dagster.pipeline.workplace import SANDBOX
from socialanalyzer_dagster.storage import batches, person_rows, sync_plans
from socialanalyzer_dagster.storage.approval_gates import CLEARED, GateDecision
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState, StoredRow

BEFORE = tuple(stage for stage in STAGES if stage is not Stage.SYNCED)
"""The stages whose outcomes must add up before anything is written."""


class SyncRefused(BatchRefused):
    """Nothing was written; the text says what has to happen first."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The plan to write, None when there is nothing to write now; `halt` says why in that case, if there is a why."""

    policy: Policy
    plan: Plan | None = None
    halt: str | None = None


def admit(batch: OpenBatch) -> Admission:
    """What may be written now, and under which policy.

    A plan past its time, with a person who was erased, or made under other privacy and outreach rules than are active
    now, is refused and the batch queued for a new one. Raises SyncRefused.
    """
    row = batch.refresh()
    key, now = row.partition_key, batch.workplace.clock.now()
    policy = planning_policy(batch)
    with batch.workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, row.batch_id)
        if plan is None:
            raise SyncRefused(f"batch {key} has no CRM plan yet: materialize crm_sync_plan first")
        gate = gate_of_plan(connection, plan)
        rows = sync_plans.plan_rows(connection, plan.plan_id)
    if plan.state == PlanState.APPLIED and not any(each.is_waiting for each in rows):
        if row.status == BatchStatus.SYNCING:
            close_batch(batch)
        return Admission(policy)
    _check_decision(key, plan, gate, rows)
    if plan.is_expired(now):
        return Admission(policy, halt=_replan(batch, plan, f"the plan expired at {plan.expires_at}"))
    if plan.rules_hash != rules_hash(policy):
        cause = "what the policy says about contacts changed after the plan"
        return Admission(policy, halt=_replan(batch, plan, cause))
    _check_privacy(batch, policy)
    if sealed_hash(plan.number, [each.planned for each in rows]) != plan.plan_hash:
        return Admission(policy, halt=_changed(batch, plan, rows))
    with batch.workplace.database.read() as connection:
        _check_batch(connection, batch)
    return Admission(policy, plan)


def _check_decision(key: str, plan: Plan, gate: GateDecision | None, rows: Sequence[StoredRow]) -> None:
    if plan.state == PlanState.REJECTED:
        by = gate.decided_by if gate is not None else None
        raise SyncRefused(f"the plan of batch {key} was rejected by {by}; nothing is written")
    if plan.state == PlanState.EXPIRED:
        raise SyncRefused(
            f"the plan of batch {key} expired at {plan.expires_at}; nothing is written. Make a new one with "
            f"`socialanalyzer batch run {key} --from plan`"
        )
    if plan.state == PlanState.SUPERSEDED:
        raise SyncRefused(
            f"the plan of batch {key} does not hold any more: somebody in it asked not to be contacted or was erased, "
            "or the policy says other things about contacts now; nothing is written. Make a new one with "
            f"`socialanalyzer batch run {key} --from plan`"
        )
    if gate is None or gate.state not in CLEARED:
        contacts = sum(each.planned.action in WRITTEN for each in rows)
        raise SyncRefused(
            f"the plan of batch {key} ({contacts} contacts, {plan.plan_hash[:12]}) is not approved: look at it with "
            f"`socialanalyzer batch plan {key}`, then `socialanalyzer batch approve {key} --by NAME`"
        )


def _check_privacy(batch: OpenBatch, policy: Policy) -> None:
    """In live mode nobody is written under a basis or a notice plan that only the package names (spec 19.1)."""
    if batch.workplace.mode != SANDBOX and (keys := unrecorded_privacy(policy)):
        subject = f"nobody recorded {' and '.join(keys)}, so nothing of batch {batch.row.partition_key} is written"
        raise SyncRefused(f"{subject}: {HOW_TO_RECORD}")


def _changed(batch: OpenBatch, plan: Plan, rows: Sequence[StoredRow]) -> str:
    """Only an erasure may change stored rows: what is left is then planned anew. Raises SyncRefused otherwise."""
    with batch.workplace.database.read() as connection:
        erased = person_rows.erased_leads(connection, [each.planned.uid for each in rows])
    if erased:
        return _replan(batch, plan, "the plan holds somebody who was erased")
    raise SyncRefused(
        f"the stored rows of the plan of batch {batch.row.partition_key} are not the ones that were approved "
        f"({plan.plan_hash[:12]}); nothing is written"
    )


def _check_batch(connection: Connection, batch: OpenBatch) -> None:
    """The audits that also stand as asset checks, asked again here: a failed check is no reason to hope (I-23)."""
    row = batch.row
    audited = AuditedBatch(row.batch_id, batch.policy, row.canary is not None, batch.email_key)
    asked: list[tuple[Audit, Stage]] = [(audits.outcomes_add_up, stage) for stage in BEFORE]
    asked += [(audits.no_lead_twice, Stage.DISCOVERED), (audits.ledger_reconciles, Stage.SCORED)]
    verdicts = (audit(connection, audited, stage) for audit, stage in asked)
    if wrong := [verdict.sentence for verdict in verdicts if not verdict.holds]:
        raise SyncRefused(f"batch {row.partition_key} does not add up, so nothing is written: {' '.join(wrong)}")


def _replan(batch: OpenBatch, plan: Plan, cause: str) -> str:
    """An approval does not outlast its plan: what is left of it is planned and decided about anew (spec 11.2)."""
    workplace = batch.workplace
    with workplace.database.write() as connection:
        if plan.state == PlanState.OPEN and plan.is_expired(workplace.clock.now()):
            expire_plan(connection, workplace, batch.row, plan)
        else:
            sync_plans.change_plan_state(connection, plan.plan_id, to=PlanState.SUPERSEDED)
            sync_plans.forget_tries(connection, plan.plan_id)
        row = batches.batch_by_id(connection, batch.row.batch_id)
        if row is not None:
            queue_again(connection, workplace, row)
    batch.refresh()
    return f"{cause}; nothing was written, and the batch is queued for a new plan"
