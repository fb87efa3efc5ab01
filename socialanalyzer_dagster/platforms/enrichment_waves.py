"""Runs enrichment steps wave by wave over a chunk: conditions, allowance, shared calls, checkpoints and step states."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from socialanalyzer_dagster.domain.calls import ErrorClass, VendorJob
from socialanalyzer_dagster.domain.outcomes import StepState, rejected
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer, CallFailed, StepResult, StoredJob
from socialanalyzer_dagster.domain.refusals import (
    BatchStopped,
    BudgetExceeded,
    JobStillRunning,
    PersonSuppressed,
    ProviderUnavailable,
    UnknownPrice,
)
from socialanalyzer_dagster.domain.suppression import identifiers_of_candidates
from socialanalyzer_dagster.domain.types import JsonValue, LeadUid, Stage
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.enrichment_leads import FINAL_STATES, Finding, LeadInEnrichment, LeadView
from socialanalyzer_dagster.platforms.lead_stream import settled

T = TypeVar("T")
Findings = Mapping[LeadUid, Finding]
_REPEATABLE = frozenset({ErrorClass.TRANSIENT, ErrorClass.THROTTLED})
_ENDS_THE_CHUNK = (BatchStopped, UnknownPrice, JobStillRunning)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """One group of leads for one step; `stored` is the job these leads were in when an earlier run bought it."""

    letter: str
    views: tuple[LeadView, ...]
    context: StageContext
    stored: StoredJob | None = None

    async def run_job(self, job: VendorJob[T]) -> Answer[T]:
        """Buy the shared job, or replay the stored one: same request, same leads, never a new composition (8.1)."""
        if self.stored is None:
            return await self.context.gate.run_job(job, leads=[view.uid for view in self.views], step=self.letter)
        replayed = replace(job, request=self.stored.request)
        return await self.context.gate.run_job(replayed, leads=self.stored.leads, step=self.letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichmentStep:
    """One step of spec 8.1.

    `price_micros` is the most it can cost one lead; `leads_per_call` None puts the whole chunk into one call; `run`
    gives a finding for every lead it was handed and may raise what the gate raises. A step that shares no calls asks
    lead by lead. Where a step `pauses_batch`, its vendor's refusal ends the chunk: its leads wait for a person.
    """

    letter: str
    wave: int
    is_configured: Callable[[StageContext], bool]
    applies: Callable[[LeadView, Policy], bool]
    price_micros: Callable[[Policy], int]
    run: Callable[[StepCall], Awaitable[Findings]]
    leads_per_call: Callable[[Policy], int] | None = None
    shares_calls: bool = True
    pauses_batch: bool = False


async def run_waves(leads: Sequence[LeadInEnrichment], steps: Iterable[EnrichmentStep], context: StageContext) -> None:
    """Bring every lead through the steps; results are stored after each step, before the next wave begins (I-56).

    Steps of one wave see the same values. A step that failed in a way that may pass is tried once more at the end of
    its wave. Raises what ends the chunk: a stopped batch, an unknown price, a provider job still running, a
    vendor that refuses a step which pauses the batch (spec 8.6).
    """
    ordered = sorted(steps, key=lambda step: (step.wave, step.letter))
    for wave in sorted({step.wave for step in ordered}):
        in_wave = [step for step in ordered if step.wave == wave]
        later = frozenset(step.letter for step in ordered if step.wave >= wave)
        views = {lead.uid: lead.view(without=later) for lead in leads if lead.is_on_its_way}
        await settled(*(_run_step(step, leads, views, context) for step in in_wave))
        again = [step for step in in_wave if _may_pass_now(step, leads)]
        await settled(*(_run_step(step, leads, views, context) for step in again))


def _may_pass_now(step: EnrichmentStep, leads: Sequence[LeadInEnrichment]) -> bool:
    return any(lead.is_on_its_way and lead.failed_in_passing(step.letter) for lead in leads)


async def _run_step(
    step: EnrichmentStep,
    leads: Sequence[LeadInEnrichment],
    views: Mapping[LeadUid, LeadView],
    context: StageContext,
) -> None:
    unneeded: dict[LeadUid, StepResult] = {}
    due: list[LeadInEnrichment] = []
    for lead in leads:
        if not lead.is_on_its_way or lead.uid not in views or not lead.is_open(step.letter):
            continue
        verdict = _before(step, lead, views[lead.uid], context)
        if verdict is None:
            due.append(lead)
        else:
            unneeded[lead.uid] = verdict
    await _store(unneeded, leads, context)
    groups = await _groups(step, due, context)
    await settled(*(_run_group(step, group, views, context) for group in groups))


@dataclass(slots=True)
class _Group:
    leads: list[LeadInEnrichment]
    stored: StoredJob | None = None

    def without(self, person: LeadUid) -> None:
        """The suppressed person leaves; a refusal that names nobody here closes the gate for the whole group."""
        named = [lead for lead in self.leads if lead.uid == person]
        in_job = self.stored is not None and person in self.stored.leads
        for lead in named if named or in_job else self.leads:
            lead.gone = rejected(Stage.ENRICHED, "suppressed")
        self.leads = [lead for lead in self.leads if lead.gone is None]
        if self.stored is not None:
            self.stored = replace(self.stored, leads=tuple(uid for uid in self.stored.leads if uid != person))


async def _groups(step: EnrichmentStep, due: Sequence[LeadInEnrichment], context: StageContext) -> list[_Group]:
    """Leads of a job bought earlier stay together; the others, and those it left out, are grouped in batch order."""
    if not due:
        return []
    rest = list(due)
    groups: list[_Group] = []
    for job in await context.gate.stored_jobs(step.letter) if step.shares_calls else ():
        members = [lead for lead in rest if lead.uid in job.leads and not lead.is_left_out_of(step.letter, job.key)]
        if members:
            groups.append(_Group(members, job))
            taken = {lead.uid for lead in members}
            rest = [lead for lead in rest if lead.uid not in taken]
    size = step.leads_per_call(context.policy) if step.leads_per_call else max(len(rest), 1)
    return [*groups, *(_Group(rest[start : start + size]) for start in range(0, len(rest), size))]


def _before(step: EnrichmentStep, lead: LeadInEnrichment, view: LeadView, context: StageContext) -> StepResult | None:
    """Why the step is not run for this lead; None when it is."""
    if not step.applies(view, context.policy):
        return StepResult(step=step.letter, state=StepState.NOT_NEEDED)
    if not step.is_configured(context):
        return StepResult(step=step.letter, state=StepState.NOT_CONFIGURED)
    price = step.price_micros(context.policy)
    if price > lead.allowance_micros:
        detail: dict[str, JsonValue] = {
            "reason": "over_lead_allowance",
            "needed_micros": price,
            "left_micros": lead.allowance_micros,
        }
        return StepResult(step=step.letter, state=StepState.NOT_NEEDED, detail=detail)
    return None


async def _run_group(
    step: EnrichmentStep,
    group: _Group,
    views: Mapping[LeadUid, LeadView],
    context: StageContext,
) -> None:
    """One shared call; a suppressed person leaves the group, the others are asked for again without them."""
    while group.leads:
        try:
            results = await _results(step, group, views, context)
        except PersonSuppressed as refusal:
            group.without(refusal.lead)
            continue
        except BudgetExceeded as refusal:
            for lead in group.leads:
                lead.refused = refusal
            return
        await _store(results, group.leads, context)
        await settled(*(_identify(lead, results[lead.uid], context) for lead in group.leads))
        return


async def _results(
    step: EnrichmentStep, group: _Group, views: Mapping[LeadUid, LeadView], context: StageContext
) -> dict[LeadUid, StepResult]:
    own = tuple(views[lead.uid] for lead in group.leads)
    call = StepCall(letter=step.letter, views=own, context=context, stored=group.stored)
    try:
        findings = await step.run(call)
    except (PersonSuppressed, BudgetExceeded, *_ENDS_THE_CHUNK):
        raise
    except ProviderUnavailable as refusal:
        if step.pauses_batch:
            raise
        return {lead.uid: _silent_step(step, refusal) for lead in group.leads}
    except Exception as error:  # noqa: BLE001 - a failing step never fails the lead (spec 8.1)
        return {lead.uid: _failed_step(step, lead, error) for lead in group.leads}
    return {lead.uid: _ended_step(step, lead, findings[lead.uid]) for lead in group.leads}


def may_pass(failure: CallFailed) -> bool:
    """True for a failure that a second try may mend without paying twice."""
    return failure.error.error_class in _REPEATABLE and not failure.outcome_unknown


def _ended_step(step: EnrichmentStep, lead: LeadInEnrichment, found: Finding) -> StepResult:
    """The result with what earlier tries cost: they count against the lead's allowance too."""
    whole = replace(found, cost_micros=found.cost_micros + lead.spent_on(step.letter))
    return whole.as_result(lead.uid, step.letter, lead.tries(step.letter) + 1)


def _silent_step(step: EnrichmentStep, refusal: ProviderUnavailable) -> StepResult:
    until = refusal.retry_at.isoformat() if refusal.retry_at is not None else None
    detail: dict[str, JsonValue] = {"vendor": refusal.vendor, "reason": refusal.code, "until": until}
    return StepResult(step=step.letter, state=StepState.PROVIDER_UNAVAILABLE, detail=detail)


def _failed_step(step: EnrichmentStep, lead: LeadInEnrichment, error: Exception) -> StepResult:
    tries, spent = lead.tries(step.letter) + 1, lead.spent_on(step.letter)
    if isinstance(error, CallFailed):
        vendor, code = error.error.vendor, error.error.code
        detail: dict[str, JsonValue] = {
            "vendor": vendor,
            "reason": code,
            "may_pass": may_pass(error),
            "tries": tries,
            "cost_micros": spent,
        }
        return StepResult(step=step.letter, state=StepState.ERROR, detail=detail)
    detail = {"reason": type(error).__name__, "may_pass": False, "tries": tries, "cost_micros": spent}
    return StepResult(step=step.letter, state=StepState.ERROR, detail=detail)


async def _store(
    results: Mapping[LeadUid, StepResult], leads: Sequence[LeadInEnrichment], context: StageContext
) -> None:
    if not results:
        return
    await context.checkpoint.save_steps(results)
    for lead in leads:
        if lead.uid in results:
            lead.take(results[lead.uid])


async def _identify(lead: LeadInEnrichment, result: StepResult, context: StageContext) -> None:
    """Gate 2 again for every new spelling of the person (spec 19.2)."""
    identifiers = identifiers_of_candidates(result.candidates)
    if not identifiers or result.state not in FINAL_STATES:
        return
    try:
        await context.gate.identify(lead.uid, identifiers)
    except PersonSuppressed:
        lead.gone = rejected(Stage.ENRICHED, "suppressed")
