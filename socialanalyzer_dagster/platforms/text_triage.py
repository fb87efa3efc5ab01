"""Screening where there are no pictures: a rule on known facts, then triage from text by the small model (spec 7.3)."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pydantic import BaseModel

from socialanalyzer_dagster.domain.answer_schemas import text_triage_schema
from socialanalyzer_dagster.domain.lead_judgements import Triage
from socialanalyzer_dagster.domain.lead_prompts import text_triage_prompt
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.outcomes import Outcome, passed, rejected
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.types import JsonValue, Stage
from socialanalyzer_dagster.platforms.base import Process, StageContext
from socialanalyzer_dagster.platforms.evidence_kinds import TRIAGE
from socialanalyzer_dagster.platforms.lead_stream import each_lead
from socialanalyzer_dagster.platforms.model_calls import Judged, Question, judge, writer_of

RuleProblem = Callable[[LeadRecord, BaseModel | None], str | None]
AnyTriage = TypeVar("AnyTriage", bound=Triage)


def screened_by_text(problem_of: RuleProblem) -> Process:
    """The stage function of a platform, given the first rule that a lead's known facts break under the filters."""
    return each_lead(partial(_screen, problem_of), Stage.SCREENED)


async def _screen(problem_of: RuleProblem, work: LeadWork, context: StageContext) -> LeadResult:
    """Rejected by a rule before anything is paid, else triaged when the policy asks for it."""
    if (problem := problem_of(work.record, context.filters)) is not None:
        return LeadResult(uid=work.uid, outcome=rejected(Stage.SCREENED, problem))
    if not context.policy.screening.text_triage:
        return LeadResult(uid=work.uid, outcome=passed(Stage.SCREENED, triage="off"))
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=text_triage_prompt(writer_of(context), work.record),
        schema=text_triage_schema(work.record, context.policy),
    )
    judged = await judge(question, context)
    seen = judged.evidence(TRIAGE, doubt=is_doubt(judged.value, context.policy))
    return LeadResult(uid=work.uid, outcome=triage_outcome(judged, context.policy), evidence=(seen,))


def is_doubt(triage: Triage, policy: Policy) -> bool:
    """True for a reject that is not sure enough to count."""
    return triage.decision == "reject" and triage.confidence < policy.screening.reject_confidence


def triage_outcome(judged: Judged[AnyTriage], policy: Policy, **detail: JsonValue) -> Outcome:
    """A sure reject ends the lead's way with its code; a doubtful one passes, marked `triage_doubt` (spec 7.3)."""
    triage = judged.value
    said: dict[str, JsonValue] = {"confidence": triage.confidence, "reasks": judged.reasks, **detail}
    if triage.reject_code is None:
        return passed(Stage.SCREENED, **said)
    if is_doubt(triage, policy):
        return passed(Stage.SCREENED, triage_doubt=triage.reject_code, **said)
    return rejected(Stage.SCREENED, triage.reject_code, **said)
