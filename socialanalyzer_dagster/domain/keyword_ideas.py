"""Ideas for further keywords of a search: what is asked, the answer S-12, and which ideas are new (spec 5.10, 9.4)."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo

from socialanalyzer_dagster.domain.filters import FieldProblem, FilterProblems
from socialanalyzer_dagster.domain.judgement_fields import (
    CLEANED,
    MOST_ENTRIES,
    Judgement,
    answer_rules,
    context_of,
)
from socialanalyzer_dagster.domain.judgements import AnswerSchema
from socialanalyzer_dagster.domain.outside_text import comparable, one_line
from socialanalyzer_dagster.domain.policy import Policy
from socialanalyzer_dagster.domain.prompts import Numbered, PromptData, PromptText, PromptWriter
from socialanalyzer_dagster.domain.types import PlatformKey

_MARKS = "#@ "
_MOST_CHARS = 100
"""The longest text that a filter takes as keyword (spec 5.2, 5.3)."""
_LEAST_CHARS = 2


def _are_few(ideas: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    context = context_of(info)
    if context is not None and len(ideas) > context.rules.keyword_ideas:
        raise ValueError(f"holds more than {context.rules.keyword_ideas} ideas")
    return ideas


Idea = Annotated[str, StringConstraints(strict=True, min_length=_LEAST_CHARS, max_length=60), CLEANED]


class KeywordIdeas(Judgement):
    """S-12."""

    suggestions: Annotated[
        tuple[Idea, ...],
        Field(min_length=1, json_schema_extra={MOST_ENTRIES: "keyword_ideas"}),
        AfterValidator(_are_few),
    ]


def keyword_ideas_schema(policy: Policy) -> AnswerSchema[KeywordIdeas]:
    """S-12; not scanned for sensitive attributes, because it speaks of no person."""
    return AnswerSchema(name="keyword_ideas_v1", model=KeywordIdeas, rules=answer_rules(policy), shown=0, scan=None)


def current_keywords(texts: Sequence[str], policy: Policy) -> tuple[str, ...]:
    """The keywords that ideas start from, distinct, in order; raises FilterProblems with everything that is wrong."""
    distinct: dict[str, str] = {}
    for text in texts:
        distinct.setdefault(comparable(text), as_keyword(text))
    keywords, most = tuple(distinct.values()), policy.llm.keywords_shown
    problems = [] if 1 <= len(keywords) <= most else [f"1 to {most} keywords, not {len(keywords)}"]
    if (wrong := sum(not 1 <= len(keyword) <= _MOST_CHARS for keyword in keywords)) > 0:
        problems.append(f"each must have 1 to {_MOST_CHARS} characters, which {wrong} of them have not")
    if problems:
        raise FilterProblems(tuple(FieldProblem("keywords", problem) for problem in problems))
    return keywords


def as_keyword(text: str) -> str:
    """The text as a filter takes it: on one line, without leading marks of hashtags and handles."""
    return one_line(one_line(text).lstrip(_MARKS))


def keyword_ideas_prompt(writer: PromptWriter, platform: PlatformKey, keywords: Iterable[str]) -> PromptText:
    """The question; the keywords stand in it in their normal form, so that two spellings of them are one question."""
    known = Numbered("keyword", tuple(sorted(set(map(comparable, keywords)))))
    return writer.write("keyword_ideas_v1", PromptData(platform=platform, handle=None, parts=(known,)))


def new_ideas(ideas: Iterable[str], keywords: Iterable[str]) -> tuple[str, ...]:
    """The ideas as a filter takes them, without those too short, present already, or said twice (spec 5.6, 5.10)."""
    known = set(map(comparable, keywords))
    fresh: dict[str, str] = {}
    for idea in ideas:
        normal = comparable(idea)
        if len(normal) >= _LEAST_CHARS and normal not in known:
            fresh.setdefault(normal, as_keyword(idea))
    return tuple(fresh.values())
