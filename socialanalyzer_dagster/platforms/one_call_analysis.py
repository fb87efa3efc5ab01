"""Analysis by one model call per lead, for platforms whose public text is all there is to see (spec 9.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from socialanalyzer_dagster.domain.judgement_fields import Judgement
from socialanalyzer_dagster.domain.judgements import AnswerSchema
from socialanalyzer_dagster.domain.leads import LeadRecord
from socialanalyzer_dagster.domain.outcomes import passed
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import LeadResult, LeadWork
from socialanalyzer_dagster.domain.prompts import PromptText, PromptWriter
from socialanalyzer_dagster.domain.types import Stage
from socialanalyzer_dagster.platforms.base import Process, StageContext
from socialanalyzer_dagster.platforms.lead_stream import each_lead
from socialanalyzer_dagster.platforms.model_calls import Question, judge, writer_of

J = TypeVar("J", bound=Judgement)
_STAGE = Stage.ANALYZED


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCall(Generic[J]):
    """The one question of a platform; `quotable` are the texts a quote may come from."""

    kind: str
    prompt: Callable[[PromptWriter, LeadWork], PromptText]
    schema: Callable[[LeadRecord, Policy], AnswerSchema[J]]
    quotable: Callable[[LeadRecord], tuple[str | None, ...]]


def analyzed_by(call: OneCall[J]) -> Process:
    """The stage function that asks the question about every lead."""

    return each_lead(partial(_analyze, call), _STAGE)


async def _analyze(call: OneCall[J], work: LeadWork, context: StageContext) -> LeadResult:
    question = Question(
        lead=work.uid,
        attempt=work.attempt,
        prompt=call.prompt(writer_of(context), work),
        schema=call.schema(work.record, context.policy),
        quotable=call.quotable(work.record),
    )
    judged = await judge(question, context)
    outcome = passed(_STAGE, reasks=judged.reasks, dropped_quotes=judged.dropped_quotes)
    return LeadResult(uid=work.uid, outcome=outcome, evidence=(judged.evidence(call.kind),))
