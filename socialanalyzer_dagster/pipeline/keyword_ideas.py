"""Keyword ideas for a search: one paid question to a model, outside any batch, under the shared caps (spec 5.10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from socialanalyzer_dagster.domain.calls import VendorCall
from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems, collect_problems, validate_filters
from socialanalyzer_dagster.domain.keyword_ideas import (
    KeywordIdeas,
    current_keywords,
    keyword_ideas_prompt,
    keyword_ideas_schema,
    new_ideas,
)
from socialanalyzer_dagster.domain.money import usd_text
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.ports import Answer, CallFailed, CallGate
from socialanalyzer_dagster.domain.refusals import BudgetExceeded, Refusal
from socialanalyzer_dagster.domain.types import LeadUid
from socialanalyzer_dagster.pipeline.batch_requests import filter_model_of, platform_of
from socialanalyzer_dagster.pipeline.gate import spending_gate
from socialanalyzer_dagster.pipeline.policies import active_policy
from socialanalyzer_dagster.pipeline.presets import load_preset
from socialanalyzer_dagster.pipeline.session import SessionParts
from socialanalyzer_dagster.pipeline.workplace import Workplace
from socialanalyzer_dagster.pipeline.writer import GroupWriter
from socialanalyzer_dagster.platforms.base import ModelContext, Platform
from socialanalyzer_dagster.platforms.model_calls import Judged, JudgementFailedError, Question, judge, writer_of

T = TypeVar("T")
_REFUSED = "llm_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordRequest:
    """A search to find further keywords for: its platform and exactly one of keywords, preset and filters."""

    platform: str
    keywords: Sequence[str] | None = None
    preset: str | None = None
    filters: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordSearch:
    """A request that can be carried out: the keywords are distinct, in order."""

    platform: Platform
    keywords: tuple[str, ...]
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class KeywordSuggestions:
    """New ideas in the model's order; `dropped` were not new or too short, `from_store` = nothing was asked."""

    ideas: tuple[str, ...]
    dropped: int
    cost_micros: int
    from_store: bool


class NoSuggestions(Exception):
    """There are no ideas: the text says why and what to do, `cost_micros` what was paid all the same."""

    def __init__(self, sentence: str, cost_micros: int) -> None:
        super().__init__(sentence)
        self.cost_micros = cost_micros


def check_keyword_request(workplace: Workplace, request: KeywordRequest) -> KeywordSearch:
    """The search with its keywords; raises FilterProblems with everything that is wrong, NoSuchPreset."""
    policy = active_policy(workplace.database)
    collect_problems(lambda: platform_of(workplace, request.platform), lambda: _check_source(request, policy))
    platform = platform_of(workplace, request.platform)
    texts = request.keywords
    if texts is None:
        texts = _filter_keywords(platform, _raw_filters(workplace, request), policy)
    return KeywordSearch(platform=platform, keywords=current_keywords(texts, policy), policy=policy)


def _check_source(request: KeywordRequest, policy: Policy) -> None:
    sources = (request.keywords, request.preset, request.filters)
    if sum(source is not None for source in sources) != 1:
        raise _problem("keywords", "say what to start from by exactly one of keywords, preset and filters")
    if request.keywords is not None:
        current_keywords(request.keywords, policy)


def _raw_filters(workplace: Workplace, request: KeywordRequest) -> Mapping[str, object]:
    if request.preset is None:
        return request.filters or {}
    return load_preset(workplace, request.platform, request.preset).preset.filters


def _filter_keywords(platform: Platform, raw: Mapping[str, object], policy: Policy) -> list[str]:
    filters = validate_filters(filter_model_of(platform), raw, policy)
    values = [getattr(filters, name) for name in platform.keywords.read]
    texts = [text for value in values for text in ([value] if isinstance(value, str) else value) if text]
    if not texts:
        raise _problem(" or ".join(platform.keywords.read), "must name a keyword to start from")
    return texts


def _problem(field: str, sentence: str) -> FilterProblems:
    return FilterProblems((FieldProblem(field, sentence),))


async def suggest_keywords(parts: SessionParts, search: KeywordSearch) -> KeywordSuggestions:
    """Ask for ideas, or read them from the store where this was asked before; raises NoSuggestions."""
    database = parts.workplace.database
    async with GroupWriter(database) as writer, spending_gate(database, writer, search.policy, parts.gate) as gate:
        await gate.recover_stray()
        receipt = _Receipt(gate.without_batch(search.platform.key))
        context = ModelContext(
            policy=search.policy, gate=receipt, vendors=parts.vendors, boundary_secret=parts.boundary_secret
        )
        try:
            judged = await _judged(search, context, receipt)
        except (Refusal, CallFailed, JudgementFailedError) as error:
            raise NoSuggestions(_why(error), receipt.paid_micros) from error
    said = judged.value.suggestions
    ideas = new_ideas(said, search.keywords)
    return KeywordSuggestions(
        ideas=ideas,
        dropped=len(said) - len(ideas),
        cost_micros=receipt.paid_micros,
        from_store=not receipt.was_asked,
    )


async def _judged(search: KeywordSearch, context: ModelContext, receipt: "_Receipt") -> Judged[KeywordIdeas]:
    """The answer; where only unusable ones are stored, asked afresh, so that a bad answer is not given for ever."""
    question = Question(
        lead=None,
        prompt=keyword_ideas_prompt(writer_of(context), search.platform.key, search.keywords),
        schema=keyword_ideas_schema(search.policy),
    )
    attempt = 1
    while True:
        try:
            return await judge(replace(question, attempt=attempt), context)
        except JudgementFailedError as error:
            if receipt.was_asked or error.code == _REFUSED:
                raise
        attempt += 1


def _why(error: Refusal | CallFailed | JudgementFailedError) -> str:
    """The reason as a sentence for people."""
    if isinstance(error, BudgetExceeded):
        cap = error.scope.split(":", maxsplit=1)[0].replace("-", " ")
        return (
            f"the {cap} cap of {usd_text(error.cap_micros)} has no room for another call: raise {error.policy_key} in "
            "the policy (`socialanalyzer policy activate FILE`), or wait for the next period"
        )
    if isinstance(error, JudgementFailedError):
        told = "the model refused to answer" if error.code == _REFUSED else "the model's answers could not be used"
        return f"{told} ({'; '.join((error.code, *error.problems))}): try other keywords"
    if isinstance(error, CallFailed) and error.outcome_unknown:
        return f"{error}: whether it was billed is not known, so its worst case stays reserved"
    return str(error)


class _Receipt:
    """The gate of one question, which remembers what was asked and paid."""

    def __init__(self, gate: CallGate) -> None:
        self._gate = gate
        self.was_asked = False
        self.paid_micros = 0

    async def call(self, call: VendorCall[T], *, leads: Sequence[LeadUid], step: str, ordinal: int = 0) -> Answer[T]:
        """As the gate does."""
        answer = await self._gate.call(call, leads=leads, step=step, ordinal=ordinal)
        self.was_asked = self.was_asked or not answer.reused
        self.paid_micros += answer.cost_micros
        return answer
