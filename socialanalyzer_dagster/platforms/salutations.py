"""How a friendly e-mail greets a lead that passed: asked of the small model, never a reason to fail (S-11)."""

from dataclasses import dataclass

from socialanalyzer_dagster.domain.answer_schemas import salutation_schema
from socialanalyzer_dagster.domain.evidence_blocks import ScoringMaterial
from socialanalyzer_dagster.domain.lead_prompts import salutation_prompt
from socialanalyzer_dagster.domain.leads import Candidate, CandidateKind, Evidence
from socialanalyzer_dagster.domain.ports import CallFailed, LeadWork
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, ProviderUnavailable
from socialanalyzer_dagster.domain.salutation import NOBODY, fallback_salutation
from socialanalyzer_dagster.platforms.base import StageContext
from socialanalyzer_dagster.platforms.contact_candidates import Source
from socialanalyzer_dagster.platforms.evidence_kinds import SALUTATION
from socialanalyzer_dagster.platforms.model_calls import PROVIDER, JudgementFailedError, Question, judge, writer_of

FIELD = "first_name"
STEP = "salutation"


@dataclass(frozen=True, slots=True)
class Greeting:
    """The salutation as evidence and as the value of `first_name`."""

    evidence: Evidence
    candidate: Candidate


async def greeted(work: LeadWork, material: ScoringMaterial, context: StageContext) -> Greeting:
    """The model's salutation, else the first word of the display name, else 'there'."""
    content = " ".join(item.judgement.summary for item in material.items) or material.assessment
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=salutation_prompt(writer_of(context), work.record, content=content),
        schema=salutation_schema(context.policy),
    )
    try:
        judged = await judge(question, context)
    except (JudgementFailedError, CallFailed, BudgetExceeded, ProviderUnavailable):
        name = fallback_salutation(work.record.display_name)
        kind = "none" if name == NOBODY else "one"
        body = {"kind": kind, "first_name": name, "source": "fallback"}
        evidence = Evidence(lead=work.uid, kind=SALUTATION, body=body)
        return Greeting(evidence, _candidate(work, name, evidence, context))
    evidence = judged.evidence(SALUTATION, source="model")
    return Greeting(evidence, _candidate(work, judged.value.first_name, evidence, context))


def _candidate(work: LeadWork, name: str, evidence: Evidence, context: StageContext) -> Candidate:
    source = Source(
        step=STEP, provider=evidence.provider or PROVIDER, source_url=work.record.profile_url,
        fetched_at=context.clock.now(), evidence_id=evidence.evidence_id,
    )  # fmt: skip
    return source.candidate(FIELD, name, name.casefold(), CandidateKind.STRUCTURED)
