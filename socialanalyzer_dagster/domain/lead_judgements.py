"""What models say about a lead as a whole: triage S-1, score S-10, salutation S-11 (spec 9)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from socialanalyzer_dagster.domain.judgement_fields import (
    CLEANED,
    MOST_ENTRIES,
    Assessment,
    Judgement,
    Ratio,
    RejectCode,
    SectionScore,
    ThumbnailIndex,
    context_of,
)
from socialanalyzer_dagster.domain.scores import DIMENSIONS

Decision = Literal["reject", "continue"]
SalutationKind = Literal["one", "two", "three_or_more", "brand", "none"]


class Triage(Judgement):
    """S-1 for leads without pictures."""

    decision: Decision
    reject_code: RejectCode | None
    confidence: Ratio
    reasoning: Annotated[str, StringConstraints(strict=True, min_length=10, max_length=400), CLEANED]

    @model_validator(mode="after")
    def _code_goes_with_decision(self) -> "Triage":
        if (self.reject_code is not None) != (self.decision == "reject"):
            raise ValueError("reject_code must be set exactly when decision is reject")
        return self


class ContentTriage(Triage):
    """S-1 for leads with thumbnails: the answer also picks the most representative ones, counted from 0."""

    selected_content_indices: Annotated[
        tuple[ThumbnailIndex, ...], Field(json_schema_extra={MOST_ENTRIES: "thumbnails_selected"})
    ]

    @field_validator("selected_content_indices")
    @classmethod
    def _picks_what_was_shown(cls, picked: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        context = context_of(info)
        if context is None:
            return picked
        wanted = min(context.rules.thumbnails_selected, context.shown)
        if len(picked) != wanted or len(set(picked)) != wanted:
            raise ValueError(f"must hold exactly {wanted} different numbers")
        if any(index >= context.shown for index in picked):
            raise ValueError(f"must stay within the {context.shown} thumbnails shown, counted from 0")
        return picked


class LeadScore(Judgement):
    """S-10: five section scores with at most 2 decimals."""

    niche_and_audience_identity: SectionScore
    creator_authenticity_and_presence: SectionScore
    monetization_and_business_mindset: SectionScore
    community_infrastructure: SectionScore
    engagement_and_connection: SectionScore
    score_reasoning: Assessment

    @property
    def sections(self) -> Mapping[str, Decimal]:
        """The five scores by dimension, exactly as written."""
        return {name: Decimal(str(getattr(self, name))) for name in DIMENSIONS}


class Salutation(Judgement):
    """S-11: the name or names a friendly e-mail greets."""

    kind: SalutationKind
    first_name: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=60), CLEANED]
