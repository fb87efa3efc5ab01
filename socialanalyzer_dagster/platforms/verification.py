"""Step L: the best addresses of a lead are verified one after the other until one is usable (spec 8.4, 8.6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from socialanalyzer_dagster.domain.contact_choice import EMAIL, ChoiceContext, email_problem, next_to_verify, resolve
from socialanalyzer_dagster.domain.emails import EmailStatus
from socialanalyzer_dagster.domain.leads import Candidate, Evidence
from socialanalyzer_dagster.domain.outcomes import StepState
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import CallFailed, StepResult
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, LeadUid
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.enrichment_leads import Finding, LeadInEnrichment, LeadView, choice_context
from socialanalyzer_dagster.platforms.enrichment_sources import unit_micros
from socialanalyzer_dagster.platforms.enrichment_waves import EnrichmentStep, Findings, StepCall, may_pass
from socialanalyzer_dagster.platforms.evidence_kinds import EMAIL_VERIFICATION
from socialanalyzer_dagster.vendors.email_verifier import EmailVerifier

STEP = "L"
PROVIDER = "email_verifier"


def verification_step(wave: int) -> EnrichmentStep:
    """Step L, for every lead with an address."""
    return EnrichmentStep(
        letter=STEP,
        wave=wave,
        is_configured=lambda context: context.vendors.email_verifier is not None,
        applies=lambda view, _policy: view.email is not None,
        price_micros=_price,
        run=_verify_all,
        leads_per_call=lambda _policy: 1,
        shares_calls=False,
        pauses_batch=True,
    )


def statuses_of(result: StepResult | None) -> Mapping[str, EmailStatus]:
    """Canonical address -> answer, as step L stored it; {} when nothing was verified."""
    stored = result.detail.get("statuses") if result else None
    if not isinstance(stored, Mapping):
        return {}
    return {address: EmailStatus(str(status)) for address, status in stored.items()}


def _price(policy: Policy) -> int:
    return unit_micros("email_verifier.single", policy) * policy.enrichment.max_verifications


async def _verify_all(call: StepCall) -> Findings:
    return {view.uid: await _verify(view, call.context) for view in call.views}


async def _verify(view: LeadView, context: StageContext) -> Finding:
    """Ask about the best address, then about the next one as long as the answers are invalid or disposable."""
    verifier = context.vendors.email_verifier
    if verifier is None:
        raise ProviderUnavailable(PROVIDER, "not_configured")
    statuses: dict[str, EmailStatus] = {}
    rows: list[JsonValue] = []
    cost = 0
    while candidate := next_to_verify(view.candidates, choice_context(view.record, statuses), context.policy):
        try:
            row, micros = await _ask(verifier, candidate, view.uid, context)
        except CallFailed as failure:
            statuses[candidate.canonical] = EmailStatus.UNVERIFIED
            return _unanswered(failure, statuses, cost)
        statuses[candidate.canonical] = EmailStatus(str(row["status"]))
        rows.append(row)
        cost += micros
    evidence = Evidence(lead=view.uid, kind=EMAIL_VERIFICATION, body={"addresses": rows}, provider=PROVIDER)
    answered = any(status is not EmailStatus.UNVERIFIED for status in statuses.values())
    return Finding(
        evidence=(evidence,),
        cost_micros=cost,
        detail={"statuses": _written(statuses)},
        state=StepState.FILLED if answered else StepState.ERROR,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier said about an address, and when."""

    status: EmailStatus
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A lead's contact values chosen anew, and its address with its verdict; values lack an address nobody may use."""

    values: Mapping[str, Candidate]
    address: Candidate
    verdict: Verdict


async def verify_anew(
    lead: LeadInEnrichment, known: Mapping[str, Verdict], context: StageContext, *, ordinal: int
) -> Verified | None:
    """Ask about the best addresses as step L does, but for those whose verdict still holds; None when none is left.

    `known` is by canonical address; another `ordinal` asks again what the batch was told before. Raises CallFailed and
    what the gate refuses with.
    """
    verifier, verdicts = context.vendors.email_verifier, dict(known)
    candidates, asked = lead.candidates(), dict[str, Candidate]()

    def choice() -> ChoiceContext:
        return choice_context(lead.work.record, {address: each.status for address, each in verdicts.items()})

    while verifier is not None and (found := next_to_verify(candidates, choice(), context.policy)):
        row, _ = await _ask(verifier, found, lead.uid, context, ordinal)
        at = datetime.fromisoformat(str(row["verified_at"]))
        verdicts[found.canonical], asked[found.canonical] = Verdict(EmailStatus(str(row["status"])), at), found
    values = resolve(candidates, choice(), context.policy)
    if email_problem(candidates, choice(), context.policy) is not None:
        values.pop(EMAIL, None)
    address = values.get(EMAIL) or next(iter(reversed(asked.values())), None)
    if address is None or address.canonical not in verdicts:
        return None
    return Verified(values=values, address=address, verdict=verdicts[address.canonical])


async def _ask(
    verifier: EmailVerifier, candidate: Candidate, lead: LeadUid, context: StageContext, ordinal: int = 0
) -> tuple[JsonObject, int]:
    call = verifier.verify(candidate.value)
    answer = await context.gate.call(call, leads=[lead], step=STEP, ordinal=ordinal)
    verdict = answer.value
    row: JsonObject = {
        "email": candidate.value,
        "status": EmailStatus(verdict.status.value).value,
        "quality": verdict.quality,
        "free": verdict.free,
        "role": verdict.role,
        "verified_at": answer.fetched_at.isoformat(),
    }
    return row, answer.cost_micros


def _unanswered(failure: CallFailed, statuses: Mapping[str, EmailStatus], cost: int) -> Finding:
    """No answer about the best address: it stays unverified, which holds it back at the sync (spec 8.6)."""
    detail: JsonObject = {
        "statuses": _written(statuses),
        "vendor": failure.error.vendor,
        "reason": failure.error.code,
        "may_pass": may_pass(failure),
    }
    return Finding(cost_micros=cost, detail=detail, state=StepState.ERROR)


def _written(statuses: Mapping[str, EmailStatus]) -> JsonObject:
    return {address: status.value for address, status in statuses.items()}
