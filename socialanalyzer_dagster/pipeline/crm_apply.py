"""Writing an approved plan to the CRM: every row gets an end, or a time when it is tried again (spec 11.6, I-34)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from socialanalyzer_dagster.domain.crm_waits import next_try_at, resume_at
from socialanalyzer_dagster.domain.log_fields import logged_as
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed, LeadResult
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable, Refusal
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_admission import SyncRefused, admit
from socialanalyzer_dagster.pipeline.crm_sync import close_batch, go_on_at, queue_changed, queue_sync
from socialanalyzer_dagster.pipeline.crm_verdicts import StoreSync, Verdict, broken
from socialanalyzer_dagster.pipeline.crm_webhook import tell_workflow
from socialanalyzer_dagster.pipeline.crm_writing import PartWriter
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.outcome_writes import Finished, StoreResults
from socialanalyzer_dagster.pipeline.plan_ends import give_back
from socialanalyzer_dagster.pipeline.progress import ProgressMeter, Report
from socialanalyzer_dagster.pipeline.runner import log_progress
from socialanalyzer_dagster.pipeline.runner_buffer import DATABASE_FAULTS
from socialanalyzer_dagster.pipeline.runner_end import (
    StageEnd,
    StageReport,
    end_stage,
    forget_ended_wait,
    pause_cancelled,
    stage_report,
)
from socialanalyzer_dagster.pipeline.traces import span
from socialanalyzer_dagster.storage import batches, sync_plans, webhook_rows
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.sync_plans import Plan, PlanState, RowState, StoredRow

_LOG = logging.getLogger(__name__)
_STAGE = Stage.SYNCED
_WITHOUT_ANSWER = frozenset({"crm_error", "crm_outcome_unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a materialization of synced shows: the stage's figures, and the plan's rows by how they ended."""

    stage: StageReport
    plan_hash: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    untold: int = 0
    """Written contacts that the workflow of the CRM was not told about, or may not have been."""

    @property
    def sentence(self) -> str:
        """One line for logs and people."""
        ended = ", ".join(f"{count} {state}" for state, count in sorted(self.rows.items())) or "no rows"
        halt = f" {self.stage.halt}" if self.stage.halt is not None else ""
        return f"sync: {ended}; the batch is {self.stage.status}.{halt}"


async def apply_plan(batch: OpenBatch, tell: Report = log_progress) -> SyncReport:
    """Write what is left of the batch's approved plan, then end the batch; an applied plan is left as it is.

    Rows that the CRM gave no answer for are tried again in later runs; a CRM that may not be asked now puts the whole
    sync off. Raises SyncRefused, however the run was launched, when the newest plan was not approved, is not the one
    that was approved, or the batch's outcomes or ledger do not add up; StorageFault when the database fails;
    CancelledError.
    """
    with logged_as(stage=Stage.SYNCED.value), span("stage synced"):
        return await _apply_plan(batch, tell)


async def _apply_plan(batch: OpenBatch, tell: Report) -> SyncReport:
    if batch.is_halted:
        return await asyncio.to_thread(sync_report, batch, 0)
    try:
        admission = await asyncio.to_thread(admit, batch)
    except SyncRefused:
        await asyncio.to_thread(go_on_at, batch, None)
        raise
    if admission.plan is None:
        return await asyncio.to_thread(sync_report, batch, 0, halt=admission.halt)
    run = _SyncRun(batch, admission.plan, admission.policy, tell)
    try:
        await run.work()
    except (Refusal, CallFailed) as error:
        halt = await asyncio.to_thread(_halted, batch, error, run.worked)
        return await asyncio.to_thread(sync_report, batch, run.worked, halt=halt)
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.to_thread(_cancelled, batch))
        raise
    await asyncio.to_thread(run.close)
    return await asyncio.to_thread(sync_report, batch, run.worked)


def _cancelled(batch: OpenBatch) -> None:
    """Somebody ended the run: it does not go on by itself."""
    go_on_at(batch, None)
    pause_cancelled(batch)


def _halted(batch: OpenBatch, error: Refusal | CallFailed, worked: int) -> str | None:
    """The batch waits until the CRM may be asked again and goes on by itself, or a person acts; rows are as they were.

    See spec 11.6: a daily limit is waited out until the account's next day.
    """
    if isinstance(error, Refusal):
        go_on_at(batch, error.retry_at if isinstance(error, ProviderUnavailable) else None)
        return end_stage(batch, _STAGE, StageEnd(reason=error, worked=worked)).halt
    until = resume_at(error.error, batch.workplace.clock.now(), batch.policy.crm)
    if until is None:
        go_on_at(batch, None)
        away = ProviderUnavailable(error.error.vendor, error.error.code)
        return end_stage(batch, _STAGE, StageEnd(reason=away, worked=worked)).halt
    sentence = f"{error}; the sync goes on by itself at {until:%Y-%m-%d %H:%M} UTC"
    go_on_at(batch, until)
    batch.halt()
    batch.become(BatchStatus.PAUSED, sentence)
    return sentence


class _SyncRun:
    """One run over the rows of a plan that have no end yet."""

    def __init__(self, batch: OpenBatch, plan: Plan, policy: Policy, tell: Report) -> None:
        hubspot = batch.vendors.hubspot
        if hubspot is None:
            raise SyncRefused("no CRM is configured: set HUBSPOT_API_KEY")
        self._batch = batch
        self._plan = plan
        self._tell = tell
        self._gate = batch.context(_STAGE).gate
        self._workflow = hubspot.workflow if batch.policy.crm.webhook_enabled else None
        if batch.policy.crm.webhook_enabled and self._workflow is None:
            raise SyncRefused("the policy tells a workflow about each contact, but HUBSPOT_WEBHOOK_URL is not set")
        self._writer = PartWriter(batch, policy, self._gate, hubspot)
        self.worked = 0

    async def work(self) -> None:
        """Every row that is left, part by part; what is known of a part is committed before the next one begins."""
        rows = await asyncio.to_thread(self._begin)
        meter = ProgressMeter(_STAGE, total=len(rows), clock=self._batch.workplace.clock, report=self._tell)
        for part in parts(rows, self._batch.policy.crm.batch_size):
            await self._write(part)
            if self._workflow is not None:
                await tell_workflow(self._batch, self._gate, self._workflow, self._plan)
            meter.advance(len(part))
            meter.tell(0)
        if self._workflow is not None:  # rows that an earlier run wrote and did not tell about
            await tell_workflow(self._batch, self._gate, self._workflow, self._plan)

    async def _write(self, part: Sequence[StoredRow]) -> None:
        """Commit every answer of a part, also when a later call of the same part is refused (I-34)."""
        began = self._batch.workplace.clock.now()
        ended: list[Verdict] = []
        try:
            await self._writer.write(part, ended)
        finally:
            dated = [self._dated(each) for each in ended]
            for group in parts(dated, self._batch.policy.runtime.commit_leads):
                await self._store(group, began)
            self.worked += len(ended)

    def _begin(self) -> list[StoredRow]:
        self._batch.begin(_STAGE)
        database, batch_id = self._batch.workplace.database, self._batch.row.batch_id
        with database.write() as connection:
            rows = sync_plans.plan_rows(connection, self._plan.plan_id)
            waiting = [row for row in rows if row.is_waiting]
            now = self._batch.workplace.clock.now()
            batches.begin_stage(connection, batch_id, _STAGE, total=len(waiting), now=now)
        return waiting

    def _dated(self, verdict: Verdict) -> Verdict:
        """A row without an answer is tried again later, so many times; then it is dead, and the log says so."""
        if verdict.outcome.code not in _WITHOUT_ANSWER:
            return verdict
        tries = verdict.row.tries + 1
        due = next_try_at(self._batch.workplace.clock.now(), tries, self._batch.policy.crm)
        if due is None:
            _LOG.error("a contact of batch %s is given up after %d tries", self._batch.row.partition_key, tries)
        return replace(verdict, state=RowState.FAILED if due else RowState.DEAD, tries=tries, next_try_at=due)

    async def _store(self, verdicts: Sequence[Verdict], began: datetime) -> None:
        """Commit; a row that the database refuses harms only itself, a fault of the database ends the run (I-35)."""
        try:
            await self._batch.writer.submit(self._stored(verdicts, began=began))
        except DATABASE_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - told below, row by row
            if len(verdicts) > 1:
                for each in verdicts:
                    await self._store([each], began)
                return
            cause = type(error).__name__  # its text may hold what was to be stored
            _LOG.error("a row of batch %s could not be stored: %s", self._batch.row.partition_key, cause)
            lost = broken(verdicts[0].row, "internal_error", error=cause, where="storage")
            await self._batch.writer.submit(self._stored([lost], began=began))

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
        """The plan is applied; leads that the CRM will never have are given back by their BDRs; the batch ends.

        One whose plan was superseded meanwhile, because somebody in it objected, is queued for another.
        """
        batch = self._batch
        with batch.workplace.database.write() as connection:
            refused = sync_plans.planned_leads(connection, self._plan.plan_id, state=RowState.REJECTED)
            give_back(connection, self._plan, frozenset(refused))
            is_applied = sync_plans.change_plan_state(connection, self._plan.plan_id, to=PlanState.APPLIED)
            is_superseded = self._plan.state == PlanState.OPEN and not is_applied
            if is_superseded:
                sync_plans.forget_tries(connection, self._plan.plan_id)
            sync_plans.put_off(connection, self._plan.plan_id, None)
            batches.end_stage(connection, batch.row.batch_id, _STAGE, batch.workplace.clock.now())
        forget_ended_wait(batch)
        if is_superseded:
            queue_sync(batch)
        elif self._plan.number >= batch.policy.crm.plans_by_itself or not queue_changed(batch):
            close_batch(batch)


def sync_report(batch: OpenBatch, worked: int, *, halt: str | None = None) -> SyncReport:
    """The newest plan's rows as they stand."""
    shown = stage_report(batch, _STAGE, worked, halt=halt)
    with batch.workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, batch.row.batch_id)
        if plan is None:
            return SyncReport(stage=shown)
        rows = sync_plans.state_counts(connection, plan.plan_id)
        untold = webhook_rows.untold_count(connection, plan.plan_id)
    return SyncReport(stage=shown, plan_hash=plan.plan_hash, rows=rows, untold=untold)
