"""What is stored of a judgement, so that it can be recomputed for $0 at any later time (spec 10.5)."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

DIMENSIONS = (
    "niche_and_audience_identity",
    "creator_authenticity_and_presence",
    "monetization_and_business_mindset",
    "community_infrastructure",
    "engagement_and_connection",
)
"""The five section scores in table order (spec 10.1)."""


class ScoreInputs(BaseModel):
    """Everything the formula of spec 10.2 reads about a lead; with a policy it determines the score.

    `answers` are all section scores the model gave, in order of their ordinals; `kept_tier` is the earlier tier that
    the stability rule of 10.4 kept, an input so that recomputation agrees. `evidence_ids` (sorted) and `prompt_version`
    say what the answers were given on (10.5).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    platform: str
    answers: tuple[Mapping[str, Decimal], ...]
    category: str
    audience_size: int | None
    posts_above: int | None
    posts_below: int | None
    posts_hidden: int | None
    travel_flag: bool
    kept_tier: str | None = None
    evidence_ids: tuple[str, ...] = ()
    prompt_version: str | None = None


class ScoreRecord(BaseModel):
    """A computed score; all figures 0..1 with 4 decimals. `tier` None = below the minimum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: ScoreInputs
    sections: Mapping[str, Decimal]
    base: Decimal
    penalty: Decimal
    boost: Decimal
    adjustment: Decimal
    floor_applied: bool
    lead_score: Decimal
    tier: str | None
    rule_row: int
    expected_precision: Decimal | None
    reasoning: str
