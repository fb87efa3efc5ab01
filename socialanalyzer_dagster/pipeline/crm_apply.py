"""Writing an approved plan to the CRM: refused unless exactly that plan was approved and the batch adds up (11.6)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from socialanalyzer_dagster.domain.ports import CallFailed, LeadResult
from socialanalyzer_dagster.domain.refusals import Refusal
from socialanalyzer_dagster.domain.types import STAGES, Stage
from socialanalyzer_dagster.pipeline import audits
from socialanalyzer_dagster.pipeline.audits import Audit, AuditedBatch
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_comparison import WRITTEN
from socialanalyzer_dagster.pipeline.crm_plan import refusal_of
from socialanalyzer_dagster.pipeline.crm_plan_store import sealed_hash
from socialanalyzer_dagster.pipeline.crm_sync import close_batch, gate_of_plan
from socialanalyzer_dagster.pipeline.crm_verdicts import StoreSync, Verdict
from socialanalyzer_dagster.pipeline.crm_writing import PartWriter
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.outcome_writes import Finished, StoreResults
from socialanalyzer_dagster.pipeline.progress import ProgressMeter, Report
from socialanalyzer_dagster.pipeline.runner import log_progress
from socialanalyzer_dagster.pipeline.runner_end import StageEnd, StageReport, end_stage, pause_cancelled, stage_report
from socialanalyzer_dagster.storage import batches, roster, sync_plans
from socialanalyzer_dagster.storage.approval_gates import CLEARED
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState, RowState, StoredRow

_STAGE = Stage.SYNCED
_BEFORE = tuple(stage for stage in STAGES if stage is not _STAGE)


class SyncRefused(BatchRefused):
    """Nothing was written; the text says what has to happen first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a materialization of synced shows: the stage's figures, and the plan's rows by how they ended."""

    stage: StageReport
    plan_hash: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """One line for logs and people."""
        ended = ", ".join(f"{count} {state}" for state, count in sorted(self.rows.items())) or "no rows"
        halt = f" {self.stage.halt}" if self.stage.halt is not None else ""
        return f"sync: {ended}; the batch is {self.stage.status}.{halt}"


async def apply_plan(batch: OpenBatch, tell: Report = log_progress) -> SyncReport:
    """Write what is left of the batch's approved plan, then end the batch; an applied plan is left as it is.

    Raises SyncRefused, however the run was launched, when the newest plan was not approved, is not the one that was
    approved, or the batch's outcomes or ledger do not add up; StorageFault when the database fails; CancelledError.
    """
    if batch.is_halted:
        return await asyncio.to_thread(sync_report, batch, 0)
    plan = await asyncio.to_thread(_admitted, batch)
    if plan is None:
        return await asyncio.to_thread(sync_report, batch, 0)
    run = _SyncRun(batch, plan, tell)
    try:
        await run.work()
    except (Refusal, CallFailed) as error:
        ended = StageEnd(reason=refusal_of(error), worked=run.worked)
        stage = await asyncio.to_thread(end_stage, batch, _STAGE, ended)
        return await asyncio.to_thread(sync_report, batch, run.worked, stage)
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.to_thread(pause_cancelled, batch))
        raise
    await asyncio.to_thread(run.close)
    return await asyncio.to_thread(sync_report, batch, run.worked)


def _admitted(batch: OpenBatch) -> Plan | None:
    """The plan that may be written now; None when it was applied. Raises SyncRefused."""
    row = batch.refresh()
    key = row.partition_key
    with batch.workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, row.batch_id)
        if plan is None:
            raise SyncRefused(f"batch {key} has no CRM plan yet: materialize crm_sync_plan first")
        gate = gate_of_plan(connection, plan)
        rows = sync_plans.plan_rows(connection, plan.plan_id)
        if plan.state == PlanState.OPEN and gate is not None and gate.state in CLEARED:
            _check_rows(key, plan, rows)
            _check_batch(connection, batch)
    if plan.state == PlanState.APPLIED:
        if row.status == BatchStatus.SYNCING:
            close_batch(batch)
        return None
    if plan.state == PlanState.REJECTED:
        by = gate.decided_by if gate is not None else None
        raise SyncRefused(f"the plan of batch {key} was rejected by {by}; nothing is written")
    if plan.state != PlanState.OPEN or gate is None or gate.state not in CLEARED:
        contacts = sum(each.planned.action in WRITTEN for each in rows)
        raise SyncRefused(
            f"the plan of batch {key} ({contacts} contacts, {plan.plan_hash[:12]}) is not approved: look at it with "
            f"`socialanalyzer batch plan {key}`, then `socialanalyzer batch approve {key} --by NAME`"
        )
    return plan


def _check_rows(key: str, plan: Plan, rows: Sequence[StoredRow]) -> None:
    if sealed_hash(plan.number, [each.planned for each in rows]) != plan.plan_hash:
        raise SyncRefused(
            f"the stored rows of the plan of batch {key} are not the ones that were approved ({plan.plan_hash[:12]}); "
            "nothing is written"
        )


def _check_batch(connection: Connection, batch: OpenBatch) -> None:
    """The audits that also stand as asset checks, asked again here: a failed check is no reason to hope (I-23)."""
    row = batch.row
    audited = AuditedBatch(row.batch_id, batch.policy, may_wait=row.canary is not None)
    asked: list[tuple[Audit, Stage]] = [(audits.outcomes_add_up, stage) for stage in _BEFORE]
    asked += [(audits.no_lead_twice, Stage.DISCOVERED), (audits.ledger_reconciles, Stage.SCORED)]
    verdicts = (audit(connection, audited, stage) for audit, stage in asked)
    if wrong := [verdict.sentence for verdict in verdicts if not verdict.holds]:
        raise SyncRefused(f"batch {row.partition_key} does not add up, so nothing is written: {' '.join(wrong)}")


class _SyncRun:
    """One run over the rows of a plan that have no end yet."""

    def __init__(self, batch: OpenBatch, plan: Plan, tell: Report) -> None:
        hubspot = batch.vendors.hubspot
        if hubspot is None:
            raise SyncRefused("no CRM is configured: set HUBSPOT_API_KEY")
        self._batch = batch
        self._plan = plan
        self._tell = tell
        self._writer = PartWriter(batch, batch.context(_STAGE).gate, hubspot)
        self.worked = 0

    async def work(self) -> None:
        """Every row that is left, part by part; what is known of a part is committed before the next one begins."""
        rows = await asyncio.to_thread(self._begin)
        runtime = self._batch.policy.runtime
        clock = self._batch.workplace.clock
        meter = ProgressMeter(_STAGE, total=len(rows), clock=clock, report=self._tell)
        for part in parts(rows, self._batch.policy.crm.batch_size):
            began = clock.now()
            verdicts = await self._writer.write(part)
            for group in parts(verdicts, runtime.commit_leads):
                await self._batch.writer.submit(self._stored(group, began=began))
            self.worked += len(part)
            meter.advance(len(part))
            meter.tell(0)

    def _begin(self) -> list[StoredRow]:
        self._batch.begin(_STAGE)
        database, batch_id = self._batch.workplace.database, self._batch.row.batch_id
        with database.write() as connection:
            rows = sync_plans.plan_rows(connection, self._plan.plan_id)
            waiting = [row for row in rows if row.state == RowState.PENDING]
            now = self._batch.workplace.clock.now()
            batches.begin_stage(connection, batch_id, _STAGE, total=len(waiting), now=now)
        return waiting

    def _stored(self, verdicts: Sequence[Verdict], *, began: datetime) -> StoreSync:
        batch = self._batch
        now = batch.workplace.clock.now()
        results = StoreResults(
            of=batch.of(_STAGE),
            policy_hash=batch.row.policy_hash,
            email_key=batch.email_key,
            group=tuple(
                Finished(
                    result=LeadResult(uid=each.row.planned.uid, outcome=each.outcome),
                    started_at=began,
                    finished_at=now,
                )
                for each in verdicts
            ),
        )
        return StoreSync(results=results, verdicts=tuple(verdicts), now=now)

    def close(self) -> None:
        """The plan is applied; leads that the CRM will never have are given back by their BDRs; the batch ends."""
        batch = self._batch
        with batch.workplace.database.write() as connection:
            roster.lock_roster(connection)
            rows = sync_plans.plan_rows(connection, self._plan.plan_id)
            gone = {row.planned.uid for row in rows if row.state == RowState.REJECTED}
            dealt = roster.assignments_of_plan(connection, self._plan.plan_id)
            roster.return_assignments(connection, [each for each in dealt if each.lead in gone])
            sync_plans.change_plan_state(connection, self._plan.plan_id, to=PlanState.APPLIED)
            batches.end_stage(connection, batch.row.batch_id, _STAGE, batch.workplace.clock.now())
        close_batch(batch)


def sync_report(batch: OpenBatch, worked: int, stage: StageReport | None = None) -> SyncReport:
    """The newest plan's rows as they stand."""
    shown = stage if stage is not None else stage_report(batch, _STAGE, worked)
    with batch.workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, batch.row.batch_id)
        if plan is None:
            return SyncReport(stage=shown)
        rows = sync_plans.state_counts(connection, plan.plan_id)
    return SyncReport(stage=shown, plan_hash=plan.plan_hash, rows=rows)
