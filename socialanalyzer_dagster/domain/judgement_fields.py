"""Field types of model answers: ranges, lengths and the closed lists that come from the policy (spec 9.3, 9.4)."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationInfo,
)

from socialanalyzer_dagster.domain.outside_text import storable
from socialanalyzer_dagster.domain.policy import Policy

ONE_OF = "one_of"
AT_MOST = "at_most"
MOST_ENTRIES = "most_entries"
MOST_CHARS = "most_chars"
"""Marks in a field's schema: the name of the AnswerRules attribute that closes the list or is the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """What the policy says about answers: closed lists and bounds, equal for all leads."""

    categories: tuple[str, ...]
    reject_codes: tuple[str, ...]
    communities: tuple[str, ...]
    max_items: int
    last_thumbnail: int
    thumbnails_selected: int
    max_quotes: int
    quote_chars: int
    keyword_ideas: int


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What one answer is checked against: rules, how many items or thumbnails, and which facts the model was shown."""

    rules: AnswerRules
    shown: int
    facts: tuple[str, ...] = ()


def answer_rules(policy: Policy) -> AnswerRules:
    """The rules of one policy version."""
    screening = policy.screening
    topics = (f"topic_{name}" for name in screening.reject_topics)
    profiles = (f"profile_{name}" for name in screening.reject_profiles)
    return AnswerRules(
        categories=tuple(policy.categories.labels),
        reject_codes=(*topics, *profiles),
        communities=policy.analysis.community_platforms,
        max_items=policy.analysis.evidence_items,
        last_thumbnail=screening.thumbnails_shown - 1,
        thumbnails_selected=screening.thumbnails_selected,
        max_quotes=policy.llm.max_quotes,
        quote_chars=policy.llm.quote_chars,
        keyword_ideas=policy.llm.keyword_ideas,
    )


class Judgement(BaseModel):
    """An answer of a model: immutable, no extra keys, numbers finite and never booleans, text trimmed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def context_of(info: ValidationInfo) -> AnswerContext | None:
    """The context of a fresh answer; None when a stored answer is read again."""
    return info.context if isinstance(info.context, AnswerContext) else None


def _clean(value: object) -> object:
    return storable(value).strip() if isinstance(value, str) else value


def _listed(attribute: str) -> Callable[[str, ValidationInfo], str]:
    def check(value: str, info: ValidationInfo) -> str:
        context = context_of(info)
        if context is not None and value not in getattr(context.rules, attribute):
            raise ValueError("is not one of the listed values")
        return value

    return check


def _within_shown(value: int, info: ValidationInfo) -> int:
    context = context_of(info)
    if context is not None and value > context.shown:
        raise ValueError(f"is larger than the {context.shown} items shown")
    return value


def _quotes_fit(value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
    context = context_of(info)
    if context is None or value is None:
        return value
    if len(value) > context.rules.max_quotes:
        raise ValueError(f"holds more than {context.rules.max_quotes} quotes")
    if any(len(quote) > context.rules.quote_chars for quote in value):
        raise ValueError(f"holds a quote longer than {context.rules.quote_chars} characters")
    return value


def _two_decimals(value: float) -> float:
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -2:
        raise ValueError("has more than 2 decimals")
    return value


CLEANED = BeforeValidator(_clean)
"""Trims and removes what a database refuses, before lengths are checked."""
StrictText = Annotated[str, StringConstraints(strict=True), CLEANED]
Text80 = Annotated[str, StringConstraints(strict=True, min_length=2, max_length=80), CLEANED]
Text200 = Annotated[str, StringConstraints(strict=True, min_length=2, max_length=200), CLEANED]
Text400 = Annotated[str, StringConstraints(strict=True, min_length=2, max_length=400), CLEANED]
Assessment = Annotated[str, StringConstraints(strict=True, min_length=20, max_length=800), CLEANED]
Description = Annotated[str, StringConstraints(strict=True, max_length=200), CLEANED]
Flag = StrictBool
Ratio = Annotated[StrictFloat, Field(ge=0, le=1)]
"""A number from 0 to 1: confidence, degree."""
SectionScore = Annotated[Ratio, AfterValidator(_two_decimals)]
Entry = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=60), CLEANED]
Entries = Annotated[tuple[Entry, ...], Field(max_length=10)]
"""Up to 10 entries of up to 60 characters."""
ItemCount = Annotated[StrictInt, Field(ge=0, json_schema_extra={AT_MOST: "max_items"}), AfterValidator(_within_shown)]
CategoryKey = Annotated[
    StrictText, Field(json_schema_extra={ONE_OF: "categories"}), AfterValidator(_listed("categories"))
]
RejectCode = Annotated[
    StrictText, Field(json_schema_extra={ONE_OF: "reject_codes"}), AfterValidator(_listed("reject_codes"))
]
CommunityKey = Annotated[
    StrictText, Field(json_schema_extra={ONE_OF: "communities"}), AfterValidator(_listed("communities"))
]
Communities = Annotated[tuple[CommunityKey, ...], Field(max_length=10)]
ThumbnailIndex = Annotated[StrictInt, Field(ge=0, json_schema_extra={AT_MOST: "last_thumbnail"})]
Quote = Annotated[StrictText, Field(json_schema_extra={MOST_CHARS: "quote_chars"})]
Quotes = Annotated[
    tuple[Quote, ...] | None,
    Field(json_schema_extra={MOST_ENTRIES: "max_quotes"}),
    AfterValidator(_quotes_fit),
]
"""Literal passages of the input (spec 9.1); null when there are none."""
