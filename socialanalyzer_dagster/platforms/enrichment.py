"""The enriched stage of every platform: the steps that its policy switches on, then one outcome per lead (spec 8)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from socialanalyzer_dagster.domain.contact_choice import EMAIL, email_problem, resolve
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.leads import Candidate, Evidence, LeadRecord
from socialanalyzer_dagster.domain.link_shapes import LinkKind
from socialanalyzer_dagster.domain.outcomes import Outcome, StepState, passed, rejected, skipped
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork, StepResult
from socialanalyzer_dagster.domain.types import JsonValue, PlatformKey, Stage
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.enrichment_leads import LeadInEnrichment, choice_context
from socialanalyzer_dagster.platforms.enrichment_steps_lookups import leads_finder_step, person_match_step
from socialanalyzer_dagster.platforms.enrichment_steps_pages import PAGE_KINDS, page_step
from socialanalyzer_dagster.platforms.enrichment_steps_profiles import instagram_step, twitter_step
from socialanalyzer_dagster.platforms.enrichment_steps_search import bridge_queries, contact_queries, search_step
from socialanalyzer_dagster.platforms.enrichment_waves import EnrichmentStep, run_waves
from socialanalyzer_dagster.platforms.evidence_kinds import EMAIL_VERIFICATION, ENRICHMENT_SUMMARY, EmailVerifications
from socialanalyzer_dagster.platforms.evidence_reading import body_of
from socialanalyzer_dagster.platforms.verification import STEP as VERIFICATION
from socialanalyzer_dagster.platforms.verification import statuses_of, verification_step

STEPS: Mapping[str, EnrichmentStep] = {
    step.letter: step
    for step in (
        search_step("A", 1, bridge_queries),
        page_step("B", 1, PAGE_KINDS["B"]),
        page_step("C", 1, PAGE_KINDS["C"]),
        page_step("D", 2, PAGE_KINDS["D"]),
        instagram_step(2),
        twitter_step(2),
        page_step("G", 3, PAGE_KINDS["G"]),
        search_step("H", 4, contact_queries),
        page_step("I", 5, PAGE_KINDS["I"]),
        person_match_step(6),
        leads_finder_step(7),
        verification_step(8),
    )
}
"""All steps of spec 8.1 by letter; which of them run for a platform is policy."""

_WARNING_STATES = frozenset({StepState.ERROR, StepState.PROVIDER_UNAVAILABLE, StepState.NOT_CONFIGURED})
_PLACES = ("city", "region", "country")


def steps_of(platform: PlatformKey, context: StageContext) -> list[EnrichmentStep]:
    """The steps that the policy switches on for a platform."""
    return [STEPS[letter] for letter in context.policy.enrichment.steps[platform]]


async def enrich(works: Sequence[LeadWork], context: StageContext) -> AsyncIterator[LeadResult]:
    """Steps A to L over a chunk, wave by wave; one result per lead, in the chunk's order (spec 8.1).

    Leads for which a step found no money get no result; BudgetExceeded is raised after the others' results.
    """
    if not works:
        return
    leads = [LeadInEnrichment(work=work, policy=context.policy) for work in works]
    await run_waves(leads, steps_of(works[0].record.platform, context), context)
    for lead in leads:
        if lead.refused is None:
            yield result_of(lead)
    if refused := next((lead.refused for lead in leads if lead.refused), None):
        raise refused


def result_of(lead: LeadInEnrichment) -> LeadResult:
    """Outcome, chosen values and the better known record of a lead whose steps are done."""
    if lead.gone is not None:
        return LeadResult(uid=lead.uid, outcome=lead.gone)
    found = tuple(one for result in lead.steps.values() for one in result.candidates)
    evidence = tuple(one for result in lead.steps.values() for one in result.evidence)
    statuses = statuses_of(lead.steps.get(VERIFICATION))
    candidates = lead.candidates()
    context = choice_context(lead.work.record, statuses)
    values = resolve(candidates, context, lead.policy)
    problem = email_problem(candidates, context, lead.policy)
    if problem is not None:
        values.pop(EMAIL, None)
    chosen = values.get(EMAIL)
    status = statuses.get(chosen.canonical, EmailStatus.UNVERIFIED) if chosen else None
    return LeadResult(
        uid=lead.uid,
        outcome=_outcome(lead, problem, status),
        evidence=(*evidence, _summary(lead)),
        record=_better_known(lead.work.record, values),
        candidates=found,
        values=values,
        email_status=status.value if status else None,
        email_verified_at=_verified_at(lead.steps.get(VERIFICATION), chosen),
    )


def _verified_at(result: StepResult | None, chosen: Candidate | None) -> datetime | None:
    """When the verifier spoke of the chosen address: an answer that is given again keeps its day."""
    if result is None or chosen is None:
        return None
    verified = body_of({each.kind: each for each in result.evidence}, EMAIL_VERIFICATION, EmailVerifications)
    addresses = verified.addresses if verified is not None else ()
    return next((each.verified_at for each in addresses if each.email == chosen.value), None)


def _outcome(lead: LeadInEnrichment, problem: str | None, status: EmailStatus | None) -> Outcome:
    stage = Stage.ENRICHED
    if problem is None:
        return passed(stage, email_status=status.value if status else None)
    if not lead.policy.enrichment.require_email:
        return passed(stage, email_status=None, email_problem=problem)
    if problem == "no_email" and (silent := _silent_provider(lead)) is not None:
        return skipped(stage, "provider_unavailable", **silent, without_email=True)
    return rejected(stage, problem)


def _silent_provider(lead: LeadInEnrichment) -> dict[str, JsonValue] | None:
    """Vendor, reason and earliest return of one that could not be asked: then 'no e-mail' is not known (13.2)."""
    results = (result for result in lead.steps.values() if result.state is StepState.PROVIDER_UNAVAILABLE)
    return next(({name: result.detail.get(name) for name in ("vendor", "reason", "until")} for result in results), None)


def _summary(lead: LeadInEnrichment) -> Evidence:
    """How every step ended, and which of them warn (CRM properties of spec 11.4)."""
    ordered = sorted(lead.steps.items())
    steps: dict[str, JsonValue] = {letter: result.state.value for letter, result in ordered}
    warnings: list[JsonValue] = [
        f"step_{letter.lower()}_{result.state.value}" for letter, result in ordered if result.state in _WARNING_STATES
    ]
    return Evidence(lead=lead.uid, kind=ENRICHMENT_SUMMARY, body={"steps": steps, "warnings": warnings})


def _better_known(record: LeadRecord, values: Mapping[str, Candidate]) -> LeadRecord:
    """The record with the chosen links, and with places where they were unknown."""
    kinds = set(LinkKind)
    links = {name: chosen.value for name, chosen in values.items() if name in kinds}
    places = {name: values[name].value for name in _PLACES if getattr(record, name) is None and name in values}
    return record.model_copy(update={"links": {**record.links, **links}, **places})
