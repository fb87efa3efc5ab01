"""Policy sections for model calls, scoring and tiers (spec 9, 10)."""

from collections.abc import Mapping
from decimal import Decimal
from string import Template
from typing import Literal

from pydantic import Field, field_validator, model_validator

from socialanalyzer_dagster.domain.policy_search import Count, Positive, Section, Share
from socialanalyzer_dagster.domain.scores import DIMENSIONS
from socialanalyzer_dagster.domain.types import PlatformKey


class ModelsPolicy(Section):
    """Which model does which kind of work (spec 9.1)."""

    vision: str
    text: str
    small: str
    transcription: str


SLOTS = frozenset({
    "reject_topics", "reject_profiles", "never_reject", "reject_confidence", "thumbnails_selected", "categories",
    "communities", "max_quotes", "quote_chars", "keyword_ideas", "examples",
})  # fmt: skip
"""What an instruction may refer to as $name; the text comes from other policy keys and the example file."""


PROMPT_IDS = (
    "triage_v1", "text_triage_v1", "content_item_v1", "bio_evidence_v1", "caption_evidence_v1", "grid_evidence_v1",
    "creator_profile_v1", "lead_score_v1", "salutation_v1", "keyword_ideas_v1", "batch_story_v1",
)  # fmt: skip
"""The prompts that shared code asks; platforms bring further ones under their own ids."""


class Prompt(Section):
    """One versioned instruction; `model` names a role of ModelsPolicy.

    `instructions` may hold $names of SLOTS, filled from the policy when the prompt is built.
    """

    version: Positive
    model: str = Field(pattern="^(vision|text|small)$")
    instructions: str = Field(min_length=20)
    max_output_tokens: Positive
    temperature: Decimal = Field(ge=0, le=2)

    @field_validator("instructions")
    @classmethod
    def _names_known_slots(cls, instructions: str) -> str:
        template = Template(instructions)
        if not template.is_valid():
            raise ValueError("a dollar sign must be written $$ unless it begins one of the known names")
        if unknown := sorted(set(template.get_identifiers()) - SLOTS):
            raise ValueError(f"unknown names: {', '.join(unknown)}; known are {', '.join(sorted(SLOTS))}")
        return instructions


class LlmPolicy(Section):
    """Limits of what is sent to and kept from the model (spec 9.1)."""

    standing_instruction: str = Field(min_length=20)
    max_quotes: Count
    quote_chars: Positive
    bio_chars: Positive
    caption_chars: Positive
    about_chars: Positive
    salutation_bio_chars: Positive
    salutation_content_chars: Positive
    transcript_chars: Positive
    keywords_shown: Positive
    """How many keywords ideas may start from (spec 5.10)."""
    keyword_ideas: Positive
    """How many ideas one answer holds at most (S-12)."""
    polish_summaries: bool
    """A model retells the story of a finished batch, one paid call each (spec 14.1)."""


class ModelBatchPolicy(Section):
    """How model calls of analysis are gathered into vendor batches (contracts 7.2).

    A batch is submitted when no further call came for `gather_seconds`; `unfinished` says what becomes of a line that
    the vendor did not answer: sent live at the full price, or the lead fails retryably.
    """

    price_factor: Decimal = Field(gt=0, le=1)
    gather_seconds: Decimal = Field(gt=0)
    most_lines: int = Field(ge=1, le=50_000)
    most_megabytes: int = Field(ge=1, le=190)
    leads_in_work: Positive
    unfinished: Literal["live", "failed"]


class AnalysisPolicy(Section):
    """Content selection and engagement thresholds (spec 9.2, 9.3); `mode` says how its model calls are bought."""

    mode: Literal["live", "batch"]
    model_batch: ModelBatchPolicy

    evidence_items: Positive
    min_bio_chars: Positive
    min_likes: Positive
    min_comments: Positive
    transcription_tries: Positive
    transcription_wait_seconds: Decimal = Field(ge=0)
    community_platforms: tuple[str, ...] = Field(min_length=1)
    """The communities a bio may name (S-3)."""


class CategoriesPolicy(Section):
    """Category keys with their labels; `unknown` is a valid answer without examples (spec 9.5)."""

    labels: Mapping[str, str]

    @model_validator(mode="after")
    def _knows_unknown(self) -> "CategoriesPolicy":
        if "unknown" not in self.labels:
            raise ValueError("categories.labels must contain 'unknown'")
        return self


class Step(Section):
    """`add` applies from `at_least` on."""

    at_least: Count
    add: Decimal


class EngagementPolicy(Section):
    """Adjustment per post of spec 10.2 rule 3."""

    per_post_above: Decimal = Field(ge=0)
    per_post_below: Decimal = Field(le=0)
    below_limit: Decimal = Field(le=0)
    per_post_hidden: Decimal = Field(le=0)
    hidden_limit: Decimal = Field(le=0)
    total_limit: Decimal = Field(ge=0)


class ScoringPolicy(Section):
    """Weights, boosts and stability of spec 10.1, 10.2 and 10.4; `weights_by_platform` overrides `weights`."""

    weights: Mapping[str, Decimal]
    weights_by_platform: Mapping[PlatformKey, Mapping[str, Decimal]]
    penalties: Mapping[str, Decimal]
    boosts: tuple[Step, ...]
    engagement: EngagementPolicy
    travel_floor: Mapping[PlatformKey, Share]
    repeat_within: Share
    repeat_answers: Positive
    keep_tier_within: Share

    @model_validator(mode="after")
    def _is_consistent(self) -> "ScoringPolicy":
        for weights in (self.weights, *self.weights_by_platform.values()):
            if set(weights) != set(DIMENSIONS):
                raise ValueError(f"weights must name exactly {', '.join(DIMENSIONS)}")
            if sum(weights.values()) != 1:
                raise ValueError("weights must sum to 1.0000")
        sizes = [step.at_least for step in self.boosts]
        if sizes != sorted(sizes, reverse=True) or len(set(sizes)) != len(sizes):
            raise ValueError("scoring.boosts must fall strictly from the largest audience to the smallest")
        return self


class TierRow(Section):
    """First matching row decides; `measure` is 'base' or 'lead' (spec 10.3)."""

    tier: str
    measure: str = Field(pattern="^(base|lead)$")
    at_least: Share
    expected_precision: Share


class TiersPolicy(Section):
    """The ordered tier table."""

    rows: tuple[TierRow, ...] = Field(min_length=1)
    enrolled: str
    """The tier whose leads stay out of the BDR queue when outreach rules allow it (spec 11.5)."""

    @model_validator(mode="after")
    def _is_ordered(self) -> "TiersPolicy":
        for measure in ("base", "lead"):
            thresholds = [row.at_least for row in self.rows if row.measure == measure]
            if thresholds != sorted(thresholds, reverse=True):
                raise ValueError(f"tiers.rows must fall from the strictest {measure} threshold to the loosest")
        if self.enrolled not in {row.tier for row in self.rows}:
            raise ValueError(f"tiers.enrolled names '{self.enrolled}', which is no tier of tiers.rows")
        return self
