"""One structured question to a model through the gate: checked, asked again at most once, never guessed (spec 9.1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from socialanalyzer_dagster.domain.judgement_fields import Judgement
from socialanalyzer_dagster.domain.judgements import AnswerSchema, InvalidAnswer, Violation, check_answer
from socialanalyzer_dagster.domain.leads import Evidence
from socialanalyzer_dagster.domain.ports import Answer
from socialanalyzer_dagster.domain.prompts import PromptText, PromptWriter, repair_text
from socialanalyzer_dagster.domain.quotes import checked_quotes
from socialanalyzer_dagster.domain.refusals import ProviderUnavailable
from socialanalyzer_dagster.domain.types import JsonObject, JsonValue, LeadUid
from socialanalyzer_dagster.platforms.base import ModelContext
from socialanalyzer_dagster.vendors.images import Picture
from socialanalyzer_dagster.vendors.llm import LanguageModel, ModelAnswer, ModelRequest

J = TypeVar("J", bound=Judgement)
PROVIDER = "openai"
LastResort = Callable[[AnswerSchema[J], str | JsonObject], J | InvalidAnswer]
"""What may still be made of a second answer that breaks its schema."""
_RETRY_ORDINALS = 100
"""Ordinals of later attempts begin above those of the repeats."""
_TRUNCATED = InvalidAnswer((Violation("", "truncated", "the answer ended before it was complete"),))


class JudgementFailedError(Exception):
    """No judgement could be made; `code` is llm_invalid_output or llm_refused (spec 2.3)."""

    def __init__(self, code: str, prompt_id: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(f"{prompt_id}: {code}")
        self.code = code
        self.prompt_id = prompt_id
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[J]):
    """What is asked about one lead, None = about nobody; `ordinal` counts the repeats of the same question.

    `attempt` is the lead's attempt at the stage; `quotable` are the texts that a quote must occur in.
    """

    lead: LeadUid | None
    prompt: PromptText
    schema: AnswerSchema[J]
    images: tuple[Picture, ...] = ()
    ordinal: int = 0
    attempt: int = 1
    quotable: tuple[str | None, ...] = ()
    last_resort: LastResort[J] | None = None

    @property
    def step(self) -> str:
        """The prompt's id, which names the call in the ledger."""
        return self.prompt.prompt_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Generic[J]):
    """A valid judgement, who made it, and how often it had to be asked again."""

    value: J
    question: Question[J]
    model: str
    reasks: int
    used_last_resort: bool = False
    dropped_quotes: int = 0

    def evidence(self, kind: str, **added: JsonValue) -> Evidence:
        """The judgement as evidence about the lead; `added` is what code puts beside it."""
        if self.question.lead is None:
            raise ValueError("an answer about nobody is no evidence")
        dropped: dict[str, JsonValue] = {"dropped_quotes": self.dropped_quotes} if self.dropped_quotes else {}
        body: dict[str, JsonValue] = {**self.value.model_dump(mode="json"), **dropped, **added}
        return Evidence(
            lead=self.question.lead,
            kind=kind,
            body=body,
            provider=PROVIDER,
            model=self.model,
            prompt_version=prompt_version(self.question.prompt),
        )


def prompt_version(prompt: PromptText) -> str:
    """Id and version of a prompt, as stored with evidence."""
    return f"{prompt.prompt_id}.{prompt.version}"


def writer_of(context: ModelContext) -> PromptWriter:
    """Prompts under the batch's policy and the secret of this installation."""
    return PromptWriter(context.policy, context.boundary_secret)


async def judge(question: Question[J], context: ModelContext) -> Judged[J]:
    """The judgement; an invalid or truncated answer is asked for once more, a refusal never.

    A later attempt at a lead replays the answers that are stored; where those are unusable it asks afresh. Raises
    JudgementFailedError when there is no judgement, and what the gate raises.
    """
    result = await _asked_twice(question, context)
    if isinstance(result, _Unusable) and result.only_replayed and question.attempt > 1:
        fresh = question.ordinal + _RETRY_ORDINALS * (question.attempt - 1)
        result = await _asked_twice(replace(question, ordinal=fresh), context)
    if isinstance(result, _Unusable):
        kinds = tuple(dict.fromkeys(f"{one.where}:{one.kind}" for one in result.invalid.violations))
        raise JudgementFailedError("llm_invalid_output", question.step, kinds)
    return result


@dataclass(frozen=True, slots=True)
class _Unusable:
    invalid: InvalidAnswer
    only_replayed: bool


async def _asked_twice(question: Question[J], context: ModelContext) -> "Judged[J] | _Unusable":
    """The question, and the one re-ask that names what was wrong."""
    llm = _llm(context)
    request = _request(question, context)
    first = await _ask(llm, request, question, context)
    checked = _checked(question, first.value)
    if not isinstance(checked, InvalidAnswer):
        return _judged(question, checked, first.value.model or request.model)
    second = await _ask(llm, _reworded(request, first.value, checked), question, context)
    again = second.value
    corrected = _checked(question, again)
    rescued = isinstance(corrected, InvalidAnswer) and question.last_resort is not None and not again.is_truncated
    if rescued and question.last_resort is not None:
        corrected = question.last_resort(question.schema, again.text or "")
    if isinstance(corrected, InvalidAnswer):
        return _Unusable(corrected, only_replayed=first.reused and second.reused)
    return replace(_judged(question, corrected, again.model or request.model), reasks=1, used_last_resort=rescued)


def _judged(question: Question[J], value: J, model: str) -> Judged[J]:
    """The judgement with the quotes that really occur in what was sent (spec 9.1)."""
    quotes = getattr(value, "quotes", None)
    checked = checked_quotes(quotes, question.quotable, scan=question.schema.scan)
    kept = value.model_copy(update={"quotes": checked.kept}) if quotes else value
    return Judged(value=kept, question=question, model=model, reasks=0, dropped_quotes=checked.dropped)


def _llm(context: ModelContext) -> LanguageModel:
    if context.vendors.llm is None:
        raise ProviderUnavailable(PROVIDER, "not_configured")
    return context.vendors.llm


def _request(question: Question[J], context: ModelContext) -> ModelRequest:
    prompt = question.prompt
    return ModelRequest(
        model=context.policy.models.vision if question.images else prompt.model,
        system=prompt.system,
        user=prompt.user,
        fingerprint_text=prompt.fingerprint_user,
        schema_name=question.schema.name,
        schema=question.schema.json_schema,
        max_output_tokens=prompt.max_output_tokens,
        temperature=prompt.temperature,
        seed=question.ordinal or None,
        images=question.images,
    )


async def _ask(
    llm: LanguageModel, request: ModelRequest, question: Question[J], context: ModelContext
) -> Answer[ModelAnswer]:
    answer = await context.gate.call(
        llm.answer(request),
        leads=() if question.lead is None else (question.lead,),
        step=question.step,
        ordinal=question.ordinal,
    )
    if answer.value.is_refused:
        raise JudgementFailedError("llm_refused", question.step)
    return answer


def _checked(question: Question[J], answer: ModelAnswer) -> J | InvalidAnswer:
    return _TRUNCATED if answer.is_truncated else check_answer(question.schema, answer.text or "")


def _reworded(request: ModelRequest, answer: ModelAnswer, invalid: InvalidAnswer) -> ModelRequest:
    """The second question: names the violation; doubles the room when the first answer did not fit (spec 9.1)."""
    repair = repair_text(invalid)
    doubled = 2 * request.max_output_tokens if answer.is_truncated else request.max_output_tokens
    return replace(
        request,
        user=f"{request.user}\n\n{repair}",
        fingerprint_text=f"{request.fingerprint_text}\n\n{repair}",
        max_output_tokens=doubled,
    )
