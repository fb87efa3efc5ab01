"""Making a CRM plan: what would be written for each lead that passed scored, beside what is there (spec 11.2)."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from socialanalyzer_dagster.domain.calls import VendorError
from socialanalyzer_dagster.domain.crm_diff import PlanRow
from socialanalyzer_dagster.domain.crm_waits import resume_at
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable, Refusal
from socialanalyzer_dagster.domain.types import LeadUid, Stage
from socialanalyzer_dagster.pipeline.batch_drafts import BatchRefused
from socialanalyzer_dagster.pipeline.batch_status import BatchStatus
from socialanalyzer_dagster.pipeline.crm_comparison import WRITTEN, Comparison, Draft
from socialanalyzer_dagster.pipeline.crm_plan_store import store_plan
from socialanalyzer_dagster.pipeline.crm_rules import planning_policy, rules_hash
from socialanalyzer_dagster.pipeline.crm_setup import CrmNotReady
from socialanalyzer_dagster.pipeline.crm_sync import cleared_plan, close_batch, queue_sync, unfinished_leads
from socialanalyzer_dagster.pipeline.open_batch import OpenBatch
from socialanalyzer_dagster.pipeline.plan_floor import above_floor, leave_out_below
from socialanalyzer_dagster.pipeline.runner_end import StageEnd, end_stage, forget_ended_wait, pause_cancelled
from socialanalyzer_dagster.pipeline.verification_round import verify_due
from socialanalyzer_dagster.storage import batches, outcome_sets, sync_plans
from socialanalyzer_dagster.storage.leads import parts
from socialanalyzer_dagster.storage.outcome_sets import LATEST_POSITION, Pending
from socialanalyzer_dagster.storage.sync_plans import PlanState

_WINDOW = 200
_PARTIAL = frozenset({BatchStatus.STOPPED, BatchStatus.FAILED})


class PlanRefused(BatchRefused):
    """There is nothing a plan could be made of yet; the text says what comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """The newest plan in figures, without any lead's data; `plan_hash` is None when the batch has no plan.

    `changed` = this run stored a new plan; `halt` says why the batch waits for something else than a decision.
    """

    key: str
    status: str
    plan_hash: str | None = None
    expires_at: datetime | None = None
    actions: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, int] = field(default_factory=dict)
    bdrs: Mapping[str, int] = field(default_factory=dict)
    changed: bool = False
    halt: str | None = None

    @property
    def contacts(self) -> int:
        """How many contacts the plan writes."""
        return sum(self.actions.get(action, 0) for action in WRITTEN)

    @property
    def sentence(self) -> str:
        """One line for logs and people."""
        if self.halt is not None:
            return f"plan: {self.halt}"
        if self.plan_hash is None:
            return f"plan: no lead passed scored; the batch is {self.status}."
        figures = ", ".join(f"{count} {action}" for action, count in sorted(self.actions.items())) or "no rows"
        wait = " It waits for approval." if self.status == BatchStatus.AWAITING_APPROVAL else ""
        return f"plan {self.plan_hash[:12]}: {figures}.{wait}"


async def make_plan(batch: OpenBatch) -> PlanReport:
    """Bring the batch's plan up to date; nothing is written to the CRM, and an unchanged plan stays as it is.

    A plan that may be written already is left alone. Raises PlanRefused while leads are on their way, CrmNotReady when
    the CRM lacks properties, ChangedMeanwhile, StorageFault, CancelledError.
    """
    if batch.is_halted:
        return await asyncio.to_thread(plan_report, batch, halt=batch.row.cause)
    window = await asyncio.to_thread(_window, batch)
    if not window:
        return await asyncio.to_thread(plan_report, batch)
    policy = await asyncio.to_thread(planning_policy, batch)
    try:
        away = None if batch.row.plan_only else await verify_due(batch, window)
        drafts = await _drafts(batch, policy, window)
    except CrmNotReady as error:
        await asyncio.to_thread(_pause, batch, str(error))
        raise
    except (Refusal, CallFailed) as error:
        return await asyncio.to_thread(_halted, batch, error)
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.to_thread(pause_cancelled, batch))
        raise
    changed = await asyncio.to_thread(_stored, batch, drafts, rules_hash(policy))
    return await asyncio.to_thread(_closed, batch, changed, away)


async def dry_plan(batch: OpenBatch) -> list[PlanRow]:
    """What a plan made now would say; nothing is stored, dealt or asked, and no right to write is needed.

    Raises PlanRefused, CrmNotReady, the gate's refusals and CallFailed.
    """
    window = await asyncio.to_thread(_leads_to_plan, batch)
    if not window:
        return []
    policy = await asyncio.to_thread(planning_policy, batch)
    return [draft.row for draft in above_floor(batch, await _drafts(batch, policy, window))]


def _stored(batch: OpenBatch, drafts: Sequence[Draft], rules: str) -> bool:
    if batch.row.tier_floor is None:
        return store_plan(batch, drafts, rules)
    kept = leave_out_below(batch, drafts)
    return bool(kept) and store_plan(batch, kept, rules)


def _window(batch: OpenBatch) -> list[tuple[LeadUid, int]]:
    """The leads to plan; a batch with none left, and no plan to wait for, ends here."""
    with batch.workplace.database.read() as connection:
        cleared = cleared_plan(connection, batch.row.batch_id)
    if cleared is not None and not cleared.is_expired(batch.workplace.clock.now()):
        queue_sync(batch)
        return []
    window = _leads_to_plan(batch)
    if not window:
        close_batch(batch)
    elif batch.row.status in _PARTIAL:
        batch.begin(Stage.SCORED)
    return window


def _leads_to_plan(batch: OpenBatch) -> list[tuple[LeadUid, int]]:
    row = batch.refresh()
    with batch.workplace.database.read() as connection:
        discovered = batches.stage_progress(connection, row.batch_id).get(Stage.DISCOVERED)
        on_their_way = 0 if row.canary is not None else unfinished_leads(connection, row.batch_id)
        pending = Pending(batch_id=row.batch_id, stage=Stage.SYNCED)
        window = outcome_sets.pending_window(connection, pending, after=0, limit=LATEST_POSITION)
    if discovered is None or (discovered.finished_at is None and row.canary is None):
        raise PlanRefused(f"discovery of batch {row.partition_key} has not ended; materialize it first")
    if on_their_way:
        raise PlanRefused(
            f"{on_their_way} leads of batch {row.partition_key} have not gone through scored yet; materialize the "
            "stages before the plan first"
        )
    return window


def _pause(batch: OpenBatch, cause: str) -> None:
    """An ended batch stays ended: only its held leads were looked at again."""
    if not batch.refresh().is_terminal:
        batch.become(BatchStatus.PAUSED, cause)


def _halted(batch: OpenBatch, error: Refusal | CallFailed) -> PlanReport:
    """The batch waits until the CRM may be asked again and is planned by itself, or a person acts (spec 11.6)."""
    refusal = error if isinstance(error, Refusal) else _away(batch, error.error)
    if batch.refresh().is_terminal:
        return plan_report(batch, halt=str(refusal))
    ended = end_stage(batch, Stage.SYNCED, StageEnd(reason=refusal, worked=0))
    return plan_report(batch, halt=ended.halt)


def _away(batch: OpenBatch, error: VendorError) -> ProviderUnavailable:
    until = resume_at(error, batch.workplace.clock.now(), batch.policy.crm)
    return ProviderUnavailable(error.vendor, error.code, retry_at=until)


def _closed(batch: OpenBatch, changed: bool, away: ProviderUnavailable | None) -> PlanReport:
    forget_ended_wait(batch)
    if away is not None and away.retry_at is not None:
        until = f"{away.retry_at:%Y-%m-%d %H:%M} UTC"
        cause = f"{away.vendor} could not verify addresses; the plan is made again by itself, not before {until}"
        batch.wait_for(away.vendor, away.retry_at, cause)
    with batch.workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, batch.row.batch_id)
    if plan is None or plan.state != PlanState.OPEN:
        close_batch(batch)
    return plan_report(batch, changed=changed)


async def _drafts(batch: OpenBatch, policy: Policy, window: Sequence[tuple[LeadUid, int]]) -> list[Draft]:
    hubspot = batch.vendors.hubspot
    if hubspot is None:
        raise CrmNotReady("no CRM is configured: set HUBSPOT_API_KEY")
    gate = batch.context(Stage.SYNCED).gate
    comparison = Comparison(batch, policy, gate, hubspot)
    await comparison.check_properties()
    drafts: list[Draft] = []
    for part in parts(window, _WINDOW):
        drafts += await comparison.drafts(part)
    return drafts


def plan_report(batch: OpenBatch, *, changed: bool = False, halt: str | None = None) -> PlanReport:
    """The newest plan as it stands."""
    row = batch.refresh()
    with batch.workplace.database.read() as connection:
        plan = sync_plans.newest_plan(connection, row.batch_id)
        found = sync_plans.row_figures(connection, plan.plan_id) if plan is not None else []
    if plan is None:
        return PlanReport(key=row.partition_key, status=row.status, halt=halt)
    return PlanReport(
        key=row.partition_key,
        status=row.status,
        plan_hash=plan.plan_hash,
        expires_at=plan.expires_at,
        actions=_summed((str(each.action), each.rows) for each in found),
        reasons=_summed((each.reason, each.rows) for each in found),
        tiers=_summed((each.tier, each.rows) for each in found if each.action in WRITTEN),
        bdrs=_summed((each.bdr, each.rows) for each in found),
        changed=changed,
        halt=halt,
    )


def _summed(figures: Iterable[tuple[str | None, int]]) -> Counter[str]:
    total = Counter[str]()
    for name, rows in figures:
        if name is not None:
            total[name] += rows
    return total
